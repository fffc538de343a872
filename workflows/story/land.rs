//! Painters of open land: mountain, desert, meadow.

use crate::canvas::{HEIGHT, WIDTH};
use crate::easel::Easel;
use crate::forest;
use crate::outline::{self, Point, corners, curve, fold, ground, ridge};
use crate::palette::WHITE;

pub(crate) fn mountain(e: &mut Easel) {
    e.sky(1350.0);
    let sun = (e.seed.between(180.0, 900.0), e.seed.between(620.0, 820.0));
    let size = e.seed.between(58.0, 92.0);
    e.sun(sun, size);
    rock(e, 1180.0, 260.0, 0.12);
    let left = e.seed.chance(0.5);
    let apex = e.seed.between(330.0, 750.0);
    let side = if left { apex - 420.0 } else { apex + 420.0 };
    peak(e, (side, 930.0), 520.0, 0.22);
    let height = e.seed.between(680.0, 780.0);
    peak(e, (apex, height), 640.0, 0.4);
    e.mist(1420.0, 420.0, 0.55);
    rock(e, 1480.0, 190.0, 0.62);
    e.mist(1580.0, 260.0, 0.3);
    let line = ridge(&mut e.seed, 1690.0, 150.0, 5);
    forest::treed(e, &line, 0.9, (60.0, 150.0), 34);
}

fn rock(e: &mut Easel, y: f64, height: f64, depth: f64) {
    let line = ridge(&mut e.seed, y, height, 6);
    let (top, foot) = (e.palette.at_depth(depth), e.palette.at_depth(depth * 0.6));
    let paint = e.canvas.vertical(&[(0.0, top, 1.0), (0.6, foot, 1.0)]);
    e.canvas.path(&ground(&corners(&line)), paint);
}

/// One peak: lit on the side of the light, in shade on the other, snow on top.
fn peak(e: &mut Easel, apex: Point, half: f64, depth: f64) {
    let base = 1560.0;
    let edge = |e: &mut Easel, to: Point| {
        let mut line = vec![apex, to];
        for swing in [120.0, 70.0, 40.0, 24.0] {
            line = fold(&mut e.seed, &line, swing);
        }
        line
    };
    let (left, right) = (edge(e, (apex.0 - half, base)), edge(e, (apex.0 + half, base)));
    let spine_foot = apex.0 + e.seed.between(-120.0, 160.0);
    let spine = edge(e, (spine_foot, base));
    let face = |a: &[Point], b: &[Point]| {
        let around: Vec<Point> = a.iter().chain(b.iter().rev()).copied().collect();
        format!("{}Z", corners(&around))
    };
    let rock = e.palette.at_depth(depth);
    let foot = e.palette.at_depth(depth * 0.45);
    let paint = e.canvas.vertical(&[(0.0, rock, 1.0), (1.0, foot, 1.0)]);
    e.canvas.path(&face(&left, &right), paint);
    let cut = |line: &[Point]| line[..line.len() * 6 / 16].to_vec();
    let mut cap = cut(&left);
    cap.reverse();
    cap.extend(cut(&right));
    let hem = snow_hem(e, &cap);
    cap.extend(hem);
    let snow = WHITE.mix(e.palette.light, 0.4);
    let paint = e.canvas.vertical(&[(0.0, snow, 0.95), (0.75, snow, 0.8), (1.0, snow, 0.35)]);
    e.canvas.path(&format!("{}Z", corners(&cap)), paint);
    let shade = e.palette.near.mix(e.palette.mid, 0.35);
    let paint = e.canvas.vertical(&[(0.0, shade, 0.62), (0.8, shade, 0.3), (1.0, shade, 0.0)]);
    e.canvas.path(&face(&spine, &right), paint);
}

/// The lower edge of the snow, from right to left: tongues in the gullies.
fn snow_hem(e: &mut Easel, cap: &[Point]) -> Vec<Point> {
    let (Some(start), Some(end)) = (cap.last(), cap.first()) else {
        return Vec::new();
    };
    (1..10)
        .map(|step| {
            let share = f64::from(step) / 10.0;
            let (x, y) = (start.0 + (end.0 - start.0) * share, start.1 + (end.1 - start.1) * share);
            let tongue = if step % 2 == 0 { e.seed.between(50.0, 150.0) } else { e.seed.between(-110.0, -20.0) };
            (x, y + tongue)
        })
        .collect()
}

pub(crate) fn desert(e: &mut Easel) {
    e.sky(1180.0);
    let sun = (e.seed.between(250.0, 830.0), e.seed.between(820.0, 980.0));
    let size = e.seed.between(120.0, 190.0);
    e.sun(sun, size);
    rock(e, 1160.0, 70.0, 0.08);
    for layer in 0..5 {
        let step = f64::from(layer);
        let y = 1210.0 + step * 140.0;
        dune(e, y, 0.16 + step * 0.17, sun.0);
    }
}

/// A dune: its crest, its lit flank, and the flank in shade below an S of sand.
fn dune(e: &mut Easel, y: f64, depth: f64, sun: f64) {
    let crest = e.seed.between(200.0, 880.0);
    let rise = e.seed.between(70.0, 150.0);
    let (left, right) = (y + e.seed.between(20.0, 80.0), y + e.seed.between(20.0, 80.0));
    let top = y - rise;
    let d = format!(
        "M-40 {left:.0}C{:.0} {left:.0} {:.0} {top:.0} {crest:.0} {top:.0}C{:.0} {top:.0} {:.0} {right:.0} 1120 {right:.0}",
        crest * 0.4,
        crest - 130.0,
        crest + 90.0,
        crest + (WIDTH - crest) * 0.5
    );
    let body = e.palette.low.mix(e.palette.near, 0.1 + depth * 0.75);
    let lit = body.mix(e.palette.light, 0.22);
    let paint = e.canvas.vertical(&[(0.0, lit, 1.0), (0.5, body, 1.0)]);
    e.canvas.path(&ground(&d), paint);
    let away = if sun < crest { 1.0 } else { -1.0 };
    let foot = crest + away * e.seed.between(30.0, 160.0);
    let shade = format!(
        "M{crest:.0} {top:.0}C{:.0} {:.0} {:.0} {:.0} {foot:.0} {HEIGHT}H{:.0}V{right:.0}C{:.0} {right:.0} {:.0} {top:.0} {crest:.0} {top:.0}Z",
        crest - away * 90.0,
        top + 160.0,
        crest + away * 200.0,
        top + 260.0,
        if away > 0.0 { 1120.0 } else { -40.0 },
        crest + away * (if away > 0.0 { WIDTH - crest } else { crest }) * 0.5,
        crest + away * 90.0
    );
    let dark = body.mix(e.palette.near, 0.55);
    let paint = e.canvas.vertical(&[(0.0, dark, 0.75), (0.35, dark, 0.35), (1.0, dark, 0.0)]);
    e.canvas.path(&shade, paint);
}

pub(crate) fn meadow(e: &mut Easel) {
    e.sky(1240.0);
    let sun = (e.seed.between(220.0, 860.0), e.seed.between(760.0, 1000.0));
    let size = e.seed.between(70.0, 110.0);
    e.sun(sun, size);
    for (y, height, depth) in [(1150.0, 190.0, 0.1), (1230.0, 150.0, 0.28), (1330.0, 130.0, 0.46)] {
        hill(e, y, height, depth);
        e.mist(y + 90.0, 160.0, 0.22);
    }
    let line = ridge(&mut e.seed, 1440.0, 60.0, 3);
    let near = e.palette.at_depth(0.68);
    let paint = e.canvas.vertical(&[(0.0, near, 1.0), (1.0, e.palette.at_depth(0.95), 1.0)]);
    e.canvas.path(&ground(&curve(&line)), paint);
    way(e);
    grass(e);
}

fn hill(e: &mut Easel, y: f64, height: f64, depth: f64) {
    let line = ridge(&mut e.seed, y, height, 3);
    let (lit, body) = (e.palette.at_depth(depth).mix(e.palette.light, 0.2), e.palette.at_depth(depth));
    let paint = e.canvas.vertical(&[(0.0, lit, 1.0), (0.45, body, 1.0)]);
    e.canvas.path(&ground(&curve(&line)), paint);
}

/// The road, or the river where the scene speaks of one, from the foreground to the hills.
fn way(e: &mut Easel) {
    let river = e.speaks_of("river water stream bridge rain flood");
    let (colour, seen) = if river { (e.palette.light.mix(e.palette.mid, 0.25), 0.9) } else { (e.palette.low, 0.8) };
    let swing = if e.seed.chance(0.5) { 1.0 } else { -1.0 };
    let x = |reach: f64| WIDTH / 2.0 + swing * reach;
    let d = format!(
        "M{:.0} 1460C{:.0} 1500 {:.0} 1530 {:.0} 1580C{:.0} 1640 {:.0} 1700 {:.0} {HEIGHT}H{:.0}C{:.0} 1740 {:.0} 1650 {:.0} 1584C{:.0} 1540 {:.0} 1500 {:.0} 1460Z",
        x(60.0),
        x(200.0),
        x(240.0),
        x(80.0),
        x(-180.0),
        x(-260.0),
        x(-300.0),
        x(140.0),
        x(20.0),
        x(-20.0),
        x(150.0),
        x(300.0),
        x(225.0),
        x(72.0)
    );
    let shade = colour.mix(e.palette.near, 0.45);
    let paint = e.canvas.vertical(&[(0.0, colour, seen), (1.0, shade, seen)]);
    e.canvas.path(&d, paint);
}

/// Blades against the light, along the lower edge.
fn grass(e: &mut Easel) {
    let mut d = String::new();
    for at in 0..90 {
        let x = f64::from(at) * 12.4 + e.seed.between(-8.0, 8.0) - 10.0;
        let (height, lean) = (e.seed.between(50.0, 170.0), e.seed.between(-40.0, 40.0));
        outline::add(
            &mut d,
            format_args!(
                "M{x:.0} 1930q{:.0} -{:.0} {lean:.0} -{height:.0}q{:.0} {:.0} {:.0} {height:.0}z",
                lean * 0.2,
                height * 0.6,
                8.0 - lean * 0.5,
                height * 0.5,
                9.0 - lean
            ),
        );
    }
    e.canvas.path(&d, e.palette.near);
}
