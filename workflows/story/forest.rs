//! The painter of the forest, and of wooded ground anywhere.

use crate::canvas::{HEIGHT, WIDTH};
use crate::easel::Easel;
use crate::outline::{Point, conifer, corners, curve, ground, height_at, ridge};
use crate::palette::BLACK;

/// Ground with conifers along its edge.
pub(crate) fn treed(e: &mut Easel, line: &[Point], depth: f64, heights: (f64, f64), trees: u32) {
    let colour = e.palette.at_depth(depth);
    let mut d = String::new();
    for at in 0..trees {
        let x = (f64::from(at) + e.seed.unit()) * (WIDTH + 80.0) / f64::from(trees) - 40.0;
        let height = e.seed.between(heights.0, heights.1);
        d.push_str(&conifer(&mut e.seed, (x, height_at(line, x) + 8.0), height));
    }
    let paint = e.canvas.vertical(&[(0.0, colour, 1.0), (1.0, e.palette.at_depth(depth * 0.92), 1.0)]);
    // Apart from the trees: paths that turn the other way round would cut each other out.
    e.canvas.path(&ground(&corners(line)), paint);
    e.canvas.path(&d, colour);
}

pub(crate) fn forest(e: &mut Easel) {
    e.sky(1500.0);
    let sun = (e.seed.between(300.0, 780.0), e.seed.between(620.0, 860.0));
    e.sun(sun, 70.0);
    for (layer, depth) in [(0.0_f64, 0.1), (1.0, 0.28), (2.0, 0.5), (3.0, 0.72)] {
        let y = 1120.0 + layer * 165.0;
        let line = ridge(&mut e.seed, y, 130.0, 4);
        let low = 170.0 + layer * 70.0;
        treed(e, &line, depth, (low, low * 1.9), 24 - 4 * layer as u32);
        e.mist(y + 150.0, 300.0, 0.42 - layer * 0.08);
    }
    shafts(e, sun);
    trunks(e);
}

/// Light that falls between the trees.
fn shafts(e: &mut Easel, from: Point) {
    let light = e.palette.light;
    let paint = e.canvas.vertical(&[(0.0, light, 0.34), (0.7, light, 0.08), (1.0, light, 0.0)]);
    for at in 0..5 {
        let lean = (f64::from(at) - 2.0) * 260.0 + e.seed.between(-70.0, 70.0);
        let width = e.seed.between(50.0, 150.0);
        let foot = from.0 + lean;
        let d = format!("M{:.0} {:.0}L{:.0} {HEIGHT}H{:.0}Z", from.0, from.1, foot - width, foot + width);
        e.canvas.path(&d, &paint);
    }
}

/// Two or three dark trunks close to the eye, at the sides.
fn trunks(e: &mut Easel) {
    let colour = e.palette.near.mix(BLACK, 0.25);
    for x in [-20.0, 1010.0, 150.0].into_iter().take(2 + e.seed.below(2)) {
        let (x, width) = (x + e.seed.between(-30.0, 30.0), e.seed.between(70.0, 130.0));
        let bow = e.seed.between(-30.0, 30.0);
        let bark = format!(
            "M{:.0} -20Q{:.0} 960 {:.0} {HEIGHT}H{:.0}Q{:.0} 1000 {:.0} -20Z",
            x + 14.0,
            x + bow,
            x - 30.0,
            x + width + 40.0,
            x + width + bow,
            x + width - 12.0
        );
        e.canvas.path(&bark, colour);
        for _ in 0..5 {
            let (y, side) = (e.seed.between(80.0, 1150.0), if e.seed.chance(0.5) { 1.0 } else { -1.0 });
            let (root, reach) = (x + width / 2.0, e.seed.between(120.0, 300.0) * side);
            let (near, far) = (reach * 0.5, -reach * 0.5);
            let branch = format!("M{root:.0} {y:.0}q{near:.0} -20 {reach:.0} -110q{far:.0} 60 {:.0} 150z", -reach);
            e.canvas.path(&branch, colour);
        }
    }
    let foot = ridge(&mut e.seed, 1810.0, 60.0, 4);
    e.canvas.path(&ground(&curve(&foot)), colour);
}
