//! Outlines of land: broken lines for rock, soft ones for hills and waves, and the tree.

use std::fmt::Write;

use crate::canvas::{HEIGHT, WIDTH};
use crate::seed::Seed;

pub(crate) type Point = (f64, f64);

/// A line from edge to edge around `y`, broken again and again at its middle.
pub(crate) fn ridge(seed: &mut Seed, y: f64, height: f64, folds: u32) -> Vec<Point> {
    let mut points =
        vec![(-40.0, y + seed.between(-0.5, 0.5) * height), (WIDTH + 40.0, y + seed.between(-0.5, 0.5) * height)];
    let mut swing = height;
    for _ in 0..folds {
        points = fold(seed, &points, swing);
        swing *= 0.52;
    }
    points
}

/// Each piece bent at its middle by up to `swing`.
pub(crate) fn fold(seed: &mut Seed, points: &[Point], swing: f64) -> Vec<Point> {
    let mut out = Vec::with_capacity(points.len() * 2);
    for pair in points.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let share = seed.between(0.4, 0.6);
        out.push(a);
        out.push((a.0 + (b.0 - a.0) * share, a.1 + (b.1 - a.1) * share + seed.between(-0.5, 0.5) * swing));
    }
    out.extend(points.last());
    out
}

/// A path through the points with corners.
pub(crate) fn corners(points: &[Point]) -> String {
    let mut d = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        add(&mut d, format_args!("{}{x:.0} {y:.0}", if at == 0 { "M" } else { "L" }));
    }
    d
}

/// A path past the points without corners.
pub(crate) fn curve(points: &[Point]) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return String::new();
    };
    let mut d = format!("M{:.0} {:.0}", first.0, first.1);
    for pair in points.windows(2).skip(1) {
        let (a, b) = (pair[0], pair[1]);
        add(&mut d, format_args!("Q{:.0} {:.0} {:.0} {:.0}", a.0, a.1, (a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0));
    }
    add(&mut d, format_args!("L{:.0} {:.0}", last.0, last.1));
    d
}

/// The ground below an outline that runs from edge to edge.
pub(crate) fn ground(outline: &str) -> String {
    format!("{outline}V{HEIGHT}H-40Z")
}

/// The outline's height at `x`, by straight lines between its points.
pub(crate) fn height_at(points: &[Point], x: f64) -> f64 {
    let piece = points.windows(2).find(|pair| (pair[0].0..=pair[1].0).contains(&x));
    piece.map_or(HEIGHT, |pair| {
        let share = (x - pair[0].0) / (pair[1].0 - pair[0].0).max(1.0);
        pair[0].1 + (pair[1].1 - pair[0].1) * share
    })
}

/// A conifer in tiers, as one closed path standing at `foot`.
pub(crate) fn conifer(seed: &mut Seed, foot: Point, height: f64) -> String {
    let (x, base) = foot;
    let tiers = 5;
    let half = height * seed.between(0.17, 0.23);
    let lean = seed.between(-0.02, 0.02) * height;
    let mut left = Vec::new();
    let mut right = Vec::new();
    for tier in 1..=tiers {
        let share = f64::from(tier) / f64::from(tiers);
        let y = base - height + height * 0.94 * share;
        let reach = half * share.powf(0.85) * seed.between(0.86, 1.1);
        let tuck = reach * 0.55;
        let shift = lean * (1.0 - share);
        left.extend([(x + shift - reach, y), (x + shift - tuck, y - height * 0.035)]);
        right.extend([(x + shift + reach, y), (x + shift + tuck, y - height * 0.035)]);
    }
    right.reverse();
    let mut points = vec![(x + lean, base - height)];
    points.append(&mut left);
    points.extend([(x - half * 0.1, base - height * 0.06), (x - half * 0.1, base), (x + half * 0.1, base)]);
    points.push((x + half * 0.1, base - height * 0.06));
    points.append(&mut right);
    format!("{}Z", corners(&points))
}

/// Adds to a path; writing into a String cannot fail.
pub(crate) fn add(d: &mut String, piece: std::fmt::Arguments<'_>) {
    if d.write_fmt(piece).is_err() {
        d.push(' ');
    }
}
