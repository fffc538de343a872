//! The painter of the workshop: toothed wheels in the light of one lamp.

use crate::easel::Easel;
use crate::outline::{self, corners, curve, ground, ridge};
use crate::palette::BLACK;

pub(crate) fn workshop(e: &mut Easel) {
    let p = e.palette;
    let paint = e.canvas.linear(
        (0.0, 0.0),
        (0.3, 1.0),
        &[(0.0, p.top, 1.0), (0.5, p.mid.mix(p.near, 0.4), 1.0), (1.0, p.near.mix(BLACK, 0.3), 1.0)],
    );
    e.canvas.fill_all(paint);
    let lamp = (e.seed.between(300.0, 780.0), 300.0);
    e.halo((lamp.0, 620.0), 900.0, 0.6);
    let wheels = [
        (e.seed.between(300.0, 420.0), 760.0, 330.0, 0.15),
        (e.seed.between(760.0, 860.0), 1120.0, 280.0, 0.4),
        (e.seed.between(230.0, 360.0), 1340.0, 210.0, 0.62),
        (e.seed.between(800.0, 920.0), 560.0, 170.0, 0.5),
        (e.seed.between(560.0, 640.0), 1010.0, 110.0, 0.75),
    ];
    for (x, y, radius, depth) in wheels {
        gear(e, (x, y), radius, depth);
    }
    let paint = e.canvas.vertical(&[(0.0, p.light, 0.3), (1.0, p.light, 0.0)]);
    e.canvas.path(&format!("M{:.0} -10h60L{:.0} 1700H{:.0}Z", lamp.0 - 30.0, lamp.0 + 560.0, lamp.0 - 560.0), paint);
    let bench = ridge(&mut e.seed, 1700.0, 8.0, 2);
    e.canvas.path(&ground(&curve(&bench)), p.near.mix(BLACK, 0.45));
    e.canvas.stroke(&corners(&bench), p.light, 3.0, 0.4);
}

/// A toothed wheel with spokes and a lit rim.
fn gear(e: &mut Easel, at: (f64, f64), radius: f64, depth: f64) {
    let p = e.palette;
    let teeth = (radius / 11.0) as u32;
    let turn = e.seed.between(0.0, 1.0);
    let mut points = Vec::new();
    for tooth in 0..teeth {
        for (share, reach) in [(0.0, 0.9), (0.2, 1.0), (0.5, 1.0), (0.7, 0.9)] {
            let angle = (f64::from(tooth) + share + turn) / f64::from(teeth) * std::f64::consts::TAU;
            points.push((at.0 + angle.cos() * radius * reach, at.1 + angle.sin() * radius * reach));
        }
    }
    let metal = p.low.mix(p.near, 0.18 + depth * 0.7);
    let paint = e.canvas.linear(
        (0.0, 0.0),
        (1.0, 1.0),
        &[(0.0, metal.mix(p.light, 0.35), 1.0), (0.5, metal, 1.0), (1.0, metal.mix(p.near, 0.6), 1.0)],
    );
    e.canvas.path(&format!("{}Z", corners(&points)), &paint);
    e.canvas.circle(at, radius * 0.74, p.near.mix(p.mid, 0.25), 0.85);
    let mut spokes = String::new();
    for spoke in 0..6 {
        let angle = (f64::from(spoke) + turn) * std::f64::consts::FRAC_PI_3;
        outline::add(
            &mut spokes,
            format_args!(
                "M{:.0} {:.0}L{:.0} {:.0}",
                at.0,
                at.1,
                at.0 + angle.cos() * radius * 0.78,
                at.1 + angle.sin() * radius * 0.78
            ),
        );
    }
    e.canvas.stroke(&spokes, metal.mix(p.light, 0.1), radius * 0.1, 1.0);
    e.canvas.circle(at, radius * 0.24, &paint, 1.0);
    e.canvas.circle(at, radius * 0.09, p.near, 1.0);
}
