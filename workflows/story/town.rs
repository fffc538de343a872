//! The painter of the city: rows of houses, lit windows, a wet street.

use crate::canvas::{HEIGHT, WIDTH};
use crate::easel::Easel;
use crate::outline;
use crate::palette::BLACK;

pub(crate) fn city(e: &mut Easel) {
    e.sky(1380.0);
    let sun = (e.seed.between(220.0, 860.0), e.seed.between(600.0, 900.0));
    let size = e.seed.between(80.0, 120.0);
    e.sun(sun, size);
    for (base, low, high, depth, lit) in
        [(1330.0, 120.0, 520.0, 0.15, 0.0), (1430.0, 140.0, 560.0, 0.42, 0.12), (1600.0, 180.0, 640.0, 0.75, 0.3)]
    {
        skyline(e, base, (low, high), depth, lit);
        e.mist(base - 40.0, 320.0, 0.34 * (1.0 - depth));
    }
    street(e);
}

/// A row of houses from edge to edge, with roofs of four kinds, and some windows lit.
pub(crate) fn skyline(e: &mut Easel, base: f64, heights: (f64, f64), depth: f64, lit: f64) {
    let (mut houses, mut windows) = (String::new(), String::new());
    let mut x = -30.0;
    while x < WIDTH {
        let width = e.seed.between(70.0, 170.0) * (0.7 + depth * 0.6);
        let tall = e.seed.unit().powf(1.6);
        let top = base - heights.0 - (heights.1 - heights.0) * tall;
        let roof = match e.seed.below(4) {
            0 => format!("l{:.0} -50l{:.0} 50", width / 2.0, width / 2.0),
            1 => format!("h{:.0}v-34h{:.0}v34h{:.0}", width * 0.25, width * 0.5, width * 0.25),
            2 => format!("h{:.0}v-90h5v90h{:.0}", width * 0.48, width * 0.52 - 5.0),
            _ => format!("h{width:.0}"),
        };
        outline::add(&mut houses, format_args!("M{x:.0} {HEIGHT}V{top:.0}{roof}V{HEIGHT}Z"));
        if lit > 0.0 {
            light_up(e, &mut windows, (x, top), width, lit);
        }
        x += width + e.seed.between(-6.0, 10.0);
    }
    let (body, foot) = (e.palette.at_depth(depth), e.palette.at_depth(depth * 0.75));
    let paint = e.canvas.vertical(&[(0.0, body, 1.0), (0.7, foot, 1.0)]);
    e.canvas.path(&houses, paint);
    e.canvas.veil(&windows, e.palette.light.mix(e.palette.low, 0.4), 0.9);
}

fn light_up(e: &mut Easel, windows: &mut String, corner: (f64, f64), width: f64, share: f64) {
    let columns = (width / 30.0) as u32;
    let gap = width / f64::from(columns.max(1) + 1);
    for row in 0..9 {
        for column in 1..=columns {
            if e.seed.chance(share) {
                let (x, y) = (corner.0 + f64::from(column) * gap - 6.0, corner.1 + 34.0 + f64::from(row) * 46.0);
                outline::add(windows, format_args!("M{x:.0} {y:.0}h12v20h-12z"));
            }
        }
    }
}

/// Wet ground that carries the lights: the river or the street in the foreground.
fn street(e: &mut Easel) {
    let p = e.palette;
    let paint = e.canvas.vertical(&[(0.0, p.near.mix(p.mid, 0.3), 1.0), (1.0, p.near.mix(BLACK, 0.3), 1.0)]);
    e.canvas.rect((0.0, 1600.0), (WIDTH, HEIGHT - 1600.0), paint);
    let paint = e.canvas.vertical(&[(0.0, p.light, 0.55), (1.0, p.light, 0.0)]);
    for _ in 0..26 {
        let x = e.seed.between(0.0, WIDTH);
        let size = (e.seed.between(4.0, 14.0), e.seed.between(60.0, 260.0));
        e.canvas.rect((x, 1604.0), size, &paint);
    }
    let lamps = 3;
    for at in 0..lamps {
        let x = 140.0 + f64::from(at) * 400.0 + e.seed.between(-40.0, 40.0);
        let post = p.near.mix(BLACK, 0.4);
        e.canvas.path(&format!("M{x:.0} 1740V1450q0 -34 34 -34h22v10h-20q-26 0 -26 26V1740z"), post);
        e.halo((x + 52.0, 1432.0), 150.0, 0.85);
        e.canvas.circle((x + 52.0, 1430.0), 13.0, p.light, 1.0);
    }
}
