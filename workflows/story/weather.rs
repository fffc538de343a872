//! What falls through the air over a finished landscape: rain, snow, sparks, lightning.

use crate::canvas::WIDTH;
use crate::easel::Easel;
use crate::outline;

pub(crate) fn rain(e: &mut Easel) {
    let mut d = String::new();
    for _ in 0..130 {
        let (x, y) = (e.seed.between(-60.0, WIDTH + 160.0), e.seed.between(260.0, 1900.0));
        let length = e.seed.between(40.0, 120.0);
        outline::add(&mut d, format_args!("M{x:.0} {y:.0}l-{:.0} {length:.0}", length * 0.22));
    }
    e.canvas.stroke(&d, e.palette.light, 2.6, 0.34);
}

pub(crate) fn lightning(e: &mut Easel) {
    let (mut x, mut y) = (e.seed.between(250.0, 830.0), 460.0);
    let mut d = format!("M{x:.0} {y:.0}");
    while y < 1080.0 {
        x += e.seed.between(-80.0, 80.0);
        y += e.seed.between(50.0, 120.0);
        outline::add(&mut d, format_args!("L{x:.0} {y:.0}"));
    }
    e.halo((x, 700.0), 520.0, 0.35);
    e.canvas.stroke(&d, e.palette.light, 16.0, 0.25);
    e.canvas.stroke(&d, e.palette.light, 6.0, 0.95);
}

pub(crate) fn snow(e: &mut Easel) {
    for _ in 0..110 {
        let at = (e.seed.between(0.0, WIDTH), e.seed.between(0.0, 1900.0));
        let (radius, seen) = (2.0 + e.seed.unit().powi(2) * 9.0, e.seed.between(0.3, 0.85));
        e.canvas.circle(at, radius, e.palette.light, seen);
    }
}

/// A fire on a rise of the ground, and the sparks above it.
pub(crate) fn fire(e: &mut Easel) {
    let x = e.seed.between(260.0, 820.0);
    let earth = e.palette.near;
    let (left, right) = (x - 420.0, x + 460.0);
    e.canvas.path(
        &format!(
            "M{left:.0} 1930C{:.0} 1790 {:.0} 1650 {:.0} 1634H{:.0}C{:.0} 1660 {:.0} 1800 {right:.0} 1930Z",
            left + 90.0,
            x - 250.0,
            x - 110.0,
            x + 120.0,
            x + 260.0,
            right - 120.0
        ),
        earth,
    );
    e.halo((x, 1560.0), 420.0, 0.8);
    for (size, share) in [(1.0, 0.15), (0.66, 0.5), (0.36, 0.9)] {
        let colour = e.palette.low.mix(e.palette.light, share);
        let (w, h) = (90.0 * size, 250.0 * size);
        e.canvas.veil(
            &format!(
                "M{:.0} 1640C{:.0} {:.0} {:.0} {:.0} {x:.0} {:.0}C{:.0} {:.0} {:.0} {:.0} {:.0} 1640Z",
                x - w,
                x - w * 1.5,
                1640.0 - h * 0.5,
                x - w * 0.1,
                1640.0 - h * 0.5,
                1640.0 - h,
                x + w * 0.3,
                1640.0 - h * 0.6,
                x + w * 1.5,
                1640.0 - h * 0.4,
                x + w
            ),
            colour,
            0.9,
        );
    }
    for _ in 0..46 {
        let rise = e.seed.unit();
        let at = (x + e.seed.between(-1.0, 1.0) * (60.0 + rise * 260.0), 1560.0 - rise * 900.0);
        let (radius, seen) = (e.seed.between(2.0, 5.5), 1.0 - rise * 0.8);
        e.canvas.circle(at, radius, e.palette.light.mix(e.palette.low, 0.35), seen);
    }
}
