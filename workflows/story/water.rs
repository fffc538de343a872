//! The painter of water: the open sea under a low light, calm or in storm.

use crate::canvas::WIDTH;
use crate::easel::Easel;
use crate::outline::{self, Point, curve, ground, ridge};

pub(crate) fn sea(e: &mut Easel) {
    let horizon = e.seed.between(1120.0, 1240.0);
    e.sky(horizon);
    let storm = e.speaks_of("storm gale");
    let sun = (e.seed.between(260.0, 820.0), horizon - e.seed.between(40.0, 210.0));
    if storm {
        clouds(e);
        e.halo((sun.0, horizon - 60.0), 620.0, 0.5);
    } else {
        let size = e.seed.between(80.0, 130.0);
        e.sun(sun, size);
    }
    if e.speaks_of("coast cliff headland island harbour harbor quay land edge wall") {
        coast(e, horizon);
    }
    water(e, horizon, sun.0);
    waves(e, horizon, if storm { 1.9 } else { 1.0 });
}

/// The plane of water, darker towards the viewer, and the road of light on it.
pub(crate) fn water(e: &mut Easel, horizon: f64, light_x: f64) {
    let p = e.palette;
    let far = p.low.mix(p.mid, 0.55);
    let paint = e.canvas.vertical(&[(0.0, far, 1.0), (0.25, p.mid.mix(p.near, 0.25), 1.0), (1.0, p.near, 1.0)]);
    e.canvas.rect((0.0, horizon), (WIDTH, 1920.0 - horizon), paint);
    let mut d = String::new();
    for step in 0..34 {
        let share = f64::from(step) / 34.0;
        let y = horizon + 6.0 + share.powf(1.35) * 560.0;
        let reach = 40.0 + share * 170.0;
        let half = e.seed.between(0.25, 1.0) * reach;
        let x = light_x + e.seed.between(-0.4, 0.4) * reach;
        let thick = 2.0 + share * 9.0;
        outline::add(
            &mut d,
            format_args!(
                "M{:.0} {y:.0}q{half:.0} -{thick:.0} {:.0} 0q-{half:.0} {thick:.0} -{:.0} 0z",
                x - half,
                half * 2.0,
                half * 2.0
            ),
        );
    }
    e.canvas.veil(&d, p.light, 0.75);
}

fn waves(e: &mut Easel, horizon: f64, force: f64) {
    let p = e.palette;
    for layer in 0..6 {
        let step = f64::from(layer);
        let y = horizon + 150.0 + step * 95.0;
        let crest = swell(e, y, (12.0 + step * 7.0) * force, (4.0 + (6.0 - step) * 1.5) / force.sqrt());
        let body = p.mid.mix(p.near, 0.3 + step * 0.13);
        let paint = e.canvas.vertical(&[(0.0, body.mix(p.low, 0.2), 0.9), (0.3, body, 0.85), (1.0, p.near, 0.95)]);
        e.canvas.path(&ground(&curve(&crest)), paint);
        e.canvas.stroke(&curve(&crest), p.light, 2.0 + step * 0.5, 0.3);
    }
}

fn swell(e: &mut Easel, y: f64, height: f64, count: f64) -> Vec<Point> {
    let shift = e.seed.between(0.0, 6.0);
    let pieces = (count * 4.0) as u32;
    (0..=pieces)
        .map(|at| {
            let x = -40.0 + f64::from(at) * (WIDTH + 80.0) / f64::from(pieces);
            let turn = f64::from(at) * std::f64::consts::FRAC_PI_2 + shift;
            (x, y + turn.sin() * height * e.seed.between(0.75, 1.0))
        })
        .collect()
}

/// A headland that comes in from one side.
fn coast(e: &mut Easel, horizon: f64) {
    let left = e.seed.chance(0.5);
    for (reach, height, depth) in [(0.75, 130.0, 0.22), (0.48, 210.0, 0.5)] {
        let mut line = ridge(&mut e.seed, 0.0, 60.0, 4);
        for point in &mut line {
            let across = if left { point.0 } else { WIDTH - point.0 };
            let share = (1.0 - across / (WIDTH * reach)).clamp(0.0, 1.0);
            let land = share.powf(0.6) * height;
            point.1 = horizon + 4.0 - land + point.1 * share.min(0.4);
        }
        e.canvas.path(&ground(&curve(&line)), e.palette.at_depth(depth));
    }
}

/// Heavy clouds, in three rows of bellies.
pub(crate) fn clouds(e: &mut Easel) {
    let p = e.palette;
    for row in 0..3 {
        let y = 230.0 + f64::from(row) * 190.0;
        let colour = p.near.mix(p.mid, 0.2 + 0.22 * f64::from(row));
        let paint = e.canvas.radial(&[(0.0, colour, 0.9), (0.55, colour, 0.5), (1.0, colour, 0.0)]);
        for at in 0..5 {
            let x = f64::from(at) * 270.0 + e.seed.between(-110.0, 110.0);
            let size = (e.seed.between(220.0, 380.0), e.seed.between(90.0, 170.0));
            let drop = e.seed.between(-50.0, 50.0);
            e.canvas.ellipse((x, y + drop), size, -4.0, &paint);
        }
    }
}
