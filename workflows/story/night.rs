//! Painters of what has no ground: the starry night, and the abstract where no thing is named.

use crate::canvas::{HEIGHT, WIDTH};
use crate::easel::Easel;
use crate::outline::{corners, ground, ridge};
use crate::palette::{BLACK, WHITE};
use crate::{town, water};

pub(crate) fn night(e: &mut Easel) {
    let p = e.palette;
    let (top, mid) = (p.top.mix(BLACK, 0.35), p.top.mix(p.mid, 0.45));
    let low = p.mid.mix(p.low, 0.35);
    let paint = e.canvas.vertical(&[(0.0, top, 1.0), (0.45, mid, 1.0), (0.72, low, 1.0), (1.0, p.near, 1.0)]);
    e.canvas.fill_all(paint);
    galaxy(e);
    stars(e, 190);
    if e.speaks_of("moon eclipse evening") {
        let at = (e.seed.between(250.0, 830.0), e.seed.between(330.0, 560.0));
        moon(e, at, 105.0);
    } else {
        falling(e);
    }
    if e.speaks_of("sea water tide boat ship lighthouse ocean river wave") {
        water::water(e, 1330.0, 820.0);
        return;
    }
    for (y, height, depth) in [(1370.0, 220.0, 0.35), (1480.0, 150.0, 0.7), (1570.0, 100.0, 0.97)] {
        let line = ridge(&mut e.seed, y, height, 5);
        e.canvas.path(&ground(&corners(&line)), p.mid.mix(p.near.mix(BLACK, 0.3), depth));
    }
    if e.speaks_of("roof city street town tower window") {
        town::skyline(e, 1640.0, (90.0, 420.0), 0.85, 0.2);
    }
}

/// A band of light across the sky, clouds upon clouds.
fn galaxy(e: &mut Easel) {
    let side = if e.seed.chance(0.5) { 1.0 } else { -1.0 };
    let turn = side * e.seed.between(24.0, 66.0);
    let middle = e.seed.between(480.0, 760.0);
    let lean = turn.to_radians();
    let warm = e.palette.low.mix(e.palette.light, 0.3);
    for at in 0..14 {
        let along = (f64::from(at) - 6.5) * 120.0;
        let x = 560.0 + along * lean.cos() + e.seed.between(-70.0, 70.0);
        let y = middle + along * lean.sin() + e.seed.between(-70.0, 70.0);
        let colour = if at % 3 == 0 { warm } else { e.palette.far.mix(WHITE, 0.25) };
        let paint = e.canvas.radial(&[(0.0, colour, 0.3), (0.5, colour, 0.12), (1.0, colour, 0.0)]);
        let size = (e.seed.between(190.0, 330.0), e.seed.between(80.0, 170.0));
        e.canvas.ellipse((x, y), size, turn, paint);
    }
}

pub(crate) fn stars(e: &mut Easel, count: u32) {
    for at in 0..count {
        let (x, y) = (e.seed.between(0.0, WIDTH), e.seed.unit().powf(1.2) * 1350.0);
        let radius = if at % 23 == 0 { 4.6 } else { 1.1 + e.seed.unit().powi(3) * 3.0 };
        let seen = e.seed.between(0.35, 0.95);
        if at % 23 == 0 {
            e.halo((x, y), 26.0, 0.5);
        }
        e.canvas.circle((x, y), radius, e.palette.light, seen);
    }
}

/// A moon with its seas, or a crescent of it.
fn moon(e: &mut Easel, at: (f64, f64), radius: f64) {
    e.sun(at, radius);
    let shade = e.palette.mid;
    for _ in 0..6 {
        let (dx, dy) = (e.seed.between(-0.55, 0.55) * radius, e.seed.between(-0.55, 0.55) * radius);
        let size = e.seed.between(0.08, 0.24) * radius;
        e.canvas.circle((at.0 + dx, at.1 + dy), size, shade, 0.16);
    }
}

/// A falling star.
fn falling(e: &mut Easel) {
    let (x, y) = (e.seed.between(520.0, 960.0), e.seed.between(160.0, 460.0));
    let light = e.palette.light;
    let paint = e.canvas.linear((1.0, 0.0), (0.0, 1.0), &[(0.0, light, 0.95), (1.0, light, 0.0)]);
    e.canvas.path(&format!("M{x:.0} {y:.0}l-330 208l326 -202z"), paint);
    e.halo((x, y), 40.0, 0.9);
}

/// Discs, arcs and bars in balance: a poster for a thing that has no picture.
pub(crate) fn abstraction(e: &mut Easel) {
    let p = e.palette;
    let paint = e.canvas.linear((0.0, 0.0), (0.4, 1.0), &[(0.0, p.top, 1.0), (0.6, p.mid, 1.0), (1.0, p.near, 1.0)]);
    e.canvas.fill_all(paint);
    let at = (e.seed.between(330.0, 750.0), e.seed.between(600.0, 860.0));
    let inks = [p.low, p.far, p.light, p.top.mix(p.far, 0.5)];
    let first = e.seed.below(4);
    for ring in 0..4 {
        let radius = 430.0 - f64::from(ring) * 100.0;
        let ink = inks[(first + ring as usize) % 4];
        let paint = e.canvas.linear((0.0, 0.0), (1.0, 1.0), &[(0.0, ink, 1.0), (1.0, ink.mix(p.near, 0.35), 1.0)]);
        let turn = e.seed.below(4) as f64 * 90.0;
        let (x, y) = at;
        if ring % 2 == 0 {
            e.canvas.circle(at, radius, paint, 0.95);
        } else {
            let d = format!("M{:.0} {y:.0}a{radius:.0} {radius:.0} 0 0 1 {:.0} 0z", x - radius, radius * 2.0);
            e.canvas.raw(&format!("<path d=\"{d}\" fill=\"{paint}\" transform=\"rotate({turn} {x:.0} {y:.0})\"/>"));
        }
    }
    bars(e);
    for _ in 0..3 {
        let dot = (e.seed.between(90.0, 990.0), e.seed.between(180.0, 1350.0));
        let radius = e.seed.between(18.0, 60.0);
        e.canvas.circle(dot, radius, p.light, 0.9);
    }
}

fn bars(e: &mut Easel) {
    let p = e.palette;
    let turn = *e.seed.pick(&[-35.0, 35.0, 55.0]);
    for at in 0..7 {
        let x = -260.0 + f64::from(at) * 250.0 + e.seed.between(-40.0, 40.0);
        let width = e.seed.between(6.0, 40.0);
        let ink = if at % 2 == 0 { p.low } else { p.near };
        let paint = e.canvas.vertical(&[(0.0, ink, 0.0), (0.5, ink, 0.55), (1.0, ink, 0.0)]);
        e.canvas.raw(&format!(
            "<rect x=\"{x:.0}\" y=\"-300\" width=\"{width:.0}\" height=\"{:.0}\" fill=\"{paint}\" transform=\"rotate({turn} 540 960)\"/>",
            HEIGHT + 600.0
        ));
    }
}
