//! Single things set into a landscape, in silhouette: lighthouse, boat, birds, a figure, a tree, a bridge, a house, a tower clock.

use crate::canvas::HEIGHT;
use crate::easel::Easel;
use crate::outline;
use crate::palette::BLACK;

/// A lighthouse on its rock, with two beams.
pub(crate) fn lighthouse(e: &mut Easel) {
    let p = e.palette;
    let left = e.seed.chance(0.5);
    let x = if left { e.seed.between(200.0, 300.0) } else { e.seed.between(780.0, 880.0) };
    let dark = p.near.mix(BLACK, 0.15);
    let (foot, top) = (1420.0, 900.0);
    let lamp = (x, top - 36.0);
    for (reach, spread, seen) in [(1000.0, 190.0, 0.5), (-1000.0, 150.0, 0.26)] {
        let reach = if left { reach } else { -reach };
        let (from, to) = if reach > 0.0 { (0.0, 1.0) } else { (1.0, 0.0) };
        let paint = e.canvas.linear((from, 0.0), (to, 0.0), &[(0.0, p.light, seen), (1.0, p.light, 0.0)]);
        let (x, y) = lamp;
        e.canvas.path(&format!("M{x:.0} {y:.0}L{:.0} {:.0}V{:.0}Z", x + reach, y - spread, y + spread * 0.5), paint);
    }
    let wall = e.canvas.linear(
        (0.0, 0.0),
        (1.0, 0.0),
        &[
            (0.0, if left { dark } else { p.light.mix(p.far, 0.4) }, 1.0),
            (1.0, if left { p.light.mix(p.far, 0.4) } else { dark }, 1.0),
        ],
    );
    e.canvas.path(&format!("M{:.0} {foot}L{:.0} {top}h64L{:.0} {foot}Z", x - 62.0, x - 32.0, x + 62.0), wall);
    for (y, half) in [(1010.0, 39.0), (1180.0, 49.0), (1330.0, 58.0)] {
        e.canvas.veil(&format!("M{:.0} {y}h{:.0}l4 66H{:.0}z", x - half, half * 2.0, x - half - 4.0), p.near, 0.72);
    }
    e.canvas.path(&format!("M{:.0} {top}h104v-14h-104z", x - 52.0), dark);
    e.canvas.rect((x - 26.0, top - 74.0), (52.0, 60.0), p.light);
    e.canvas.path(&format!("M{:.0} 826h68l-34 -46z", x - 34.0), dark);
    e.halo(lamp, 210.0, 0.95);
    let (a, b) = (x - 330.0, x + 350.0);
    let rock = format!(
        "M{a:.0} {HEIGHT}C{:.0} 1560 {:.0} 1500 {:.0} 1440L{:.0} 1404L{:.0} 1410L{:.0} 1450C{:.0} 1500 {:.0} 1600 {b:.0} {HEIGHT}Z",
        a + 60.0,
        x - 210.0,
        x - 140.0,
        x - 84.0,
        x + 76.0,
        x + 130.0,
        x + 190.0,
        x + 250.0
    );
    let paint = e.canvas.vertical(&[(0.0, dark.mix(p.mid, 0.22), 1.0), (0.5, dark, 1.0)]);
    e.canvas.path(&rock, paint);
}

/// A small sailing boat with its reflection.
pub(crate) fn boat(e: &mut Easel) {
    let (x, y) = (e.seed.between(330.0, 750.0), e.seed.between(1360.0, 1430.0));
    let dark = e.palette.near.mix(BLACK, 0.2);
    e.canvas.veil(&format!("M{:.0} {:.0}h190l-30 90h-120z", x - 95.0, y + 26.0), dark, 0.35);
    e.canvas.path(&format!("M{:.0} {y:.0}h210q-22 48 -60 48h-92q-40 0 -58 -48z", x - 105.0), dark);
    e.canvas.path(&format!("M{:.0} {y:.0}v-236h6v236z", x - 6.0), dark);
    let sail = e.palette.light.mix(e.palette.far, 0.25);
    let paint =
        e.canvas.linear((0.0, 0.0), (1.0, 0.0), &[(0.0, sail, 1.0), (1.0, sail.mix(e.palette.near, 0.35), 1.0)]);
    e.canvas.path(&format!("M{:.0} {:.0}q120 100 112 200h-112z", x + 6.0, y - 222.0), &paint);
    e.canvas.path(&format!("M{:.0} {:.0}q-60 96 -76 170h76z", x - 14.0, y - 196.0), paint);
}

pub(crate) fn birds(e: &mut Easel) {
    let (x, y) = (e.seed.between(300.0, 760.0), e.seed.between(640.0, 860.0));
    let mut d = String::new();
    for _ in 0..7 {
        let (x, y, s) =
            (x + e.seed.between(-230.0, 230.0), y + e.seed.between(-130.0, 130.0), e.seed.between(12.0, 30.0));
        outline::add(
            &mut d,
            format_args!("M{:.0} {y:.0}q{:.0} -{s:.0} {s:.0} 0q{:.0} -{s:.0} {s:.0} 0", x - s, s * 0.6, s * 0.4),
        );
    }
    e.canvas.stroke(&d, e.palette.near, 5.0, 0.85);
}

/// Somebody standing with their back to us, with a long shadow.
pub(crate) fn figure(e: &mut Easel) {
    let (x, y) = (e.seed.between(400.0, 680.0), 1690.0);
    let dark = e.palette.near.mix(BLACK, 0.45);
    e.halo((x, y - 120.0), 230.0, 0.4);
    e.canvas.veil(&format!("M{:.0} {y}h52l90 170h-190z", x - 26.0), dark, 0.4);
    e.canvas.circle((x, y - 216.0), 25.0, dark, 1.0);
    e.canvas.path(&format!("M{:.0} {y}l-6 -112q0 -72 34 -74q34 2 34 74l-6 112h-22l-6 -96l-6 96z", x - 28.0), dark);
}

/// One broad tree on its own.
pub(crate) fn tree(e: &mut Easel) {
    let x = if e.seed.chance(0.5) { e.seed.between(190.0, 300.0) } else { e.seed.between(780.0, 890.0) };
    let dark = e.palette.near.mix(BLACK, 0.2);
    e.canvas.path(&format!("M{:.0} 1560q20 -150 6 -330h44q-8 180 22 330z", x - 36.0), dark);
    let mut d = String::new();
    for at in 0..16 {
        let angle = f64::from(at) * 2.4;
        let reach = f64::from(at).sqrt() * 46.0;
        let (cx, cy, r) =
            (x + angle.cos() * reach * 1.15, 1130.0 + angle.sin() * reach * 0.8, e.seed.between(58.0, 96.0));
        outline::add(
            &mut d,
            format_args!(
                "M{:.0} {cy:.0}a{r:.0} {r:.0} 0 1 0 {:.0} 0a{r:.0} {r:.0} 0 1 0 -{:.0} 0z",
                cx - r,
                r * 2.0,
                r * 2.0
            ),
        );
    }
    let paint = e.canvas.vertical(&[(0.0, dark.mix(e.palette.far, 0.35), 1.0), (0.7, dark, 1.0)]);
    e.canvas.path(&d, paint);
}

/// A bridge on arches, from edge to edge.
pub(crate) fn bridge(e: &mut Easel) {
    let y = 1470.0;
    let dark = e.palette.at_depth(0.86);
    let mut d = format!("M-20 {y}H1100v44H-20z");
    for at in 0..6 {
        let x = f64::from(at) * 216.0 - 30.0;
        outline::add(
            &mut d,
            format_args!(
                "M{x:.0} {:.0}h36v170h-36zM{:.0} {:.0}q90 0 90 110v-110zm180 0q-90 0 -90 110v-110z",
                y + 40.0,
                x + 36.0,
                y + 40.0
            ),
        );
    }
    e.canvas.path(&d, dark);
    e.canvas.stroke(&format!("M-20 {y}H1100"), e.palette.light, 3.0, 0.5);
}

/// A small house with one window lit.
pub(crate) fn house(e: &mut Easel) {
    let x = e.seed.between(240.0, 760.0);
    let dark = e.palette.near.mix(BLACK, 0.25);
    e.canvas.path(&format!("M{x:.0} 1560v-110l-22 6l102 -92l34 30v-34h24v56l44 40l-22 -6v110z"), dark);
    e.halo((x + 62.0, 1492.0), 150.0, 0.8);
    e.canvas.rect((x + 44.0, 1474.0), (36.0, 40.0), e.palette.light);
    e.canvas.stroke(&format!("M{:.0} 1474v40m-18 -20h36", x + 62.0), dark, 4.0, 1.0);
}

/// A tower with a lit clock face; the hands stand where the seed says.
pub(crate) fn clock(e: &mut Easel) {
    let p = e.palette;
    let x = e.seed.between(380.0, 700.0);
    let dark = p.near.mix(BLACK, 0.15);
    let paint = e.canvas.linear(
        (0.0, 0.0),
        (1.0, 0.0),
        &[(0.0, dark.mix(p.far, 0.4), 1.0), (0.4, dark.mix(p.far, 0.15), 1.0), (1.0, dark, 1.0)],
    );
    e.canvas.path(&format!("M{:.0} {HEIGHT}V830h-18v-26h20L{x:.0} 560l138 244h20v26h-18V{HEIGHT}Z", x - 140.0), paint);
    e.halo((x, 970.0), 320.0, 0.75);
    e.canvas.circle((x, 970.0), 108.0, dark, 1.0);
    e.canvas.circle((x, 970.0), 94.0, p.light, 1.0);
    let mut ticks = String::new();
    for hour in 0..12 {
        let (sin, cos) = (f64::from(hour) * std::f64::consts::FRAC_PI_6).sin_cos();
        outline::add(
            &mut ticks,
            format_args!(
                "M{:.0} {:.0}L{:.0} {:.0}",
                x + sin * 74.0,
                970.0 - cos * 74.0,
                x + sin * 84.0,
                970.0 - cos * 84.0
            ),
        );
    }
    e.canvas.stroke(&ticks, dark, 5.0, 1.0);
    let (sin, cos) = e.seed.between(0.0, std::f64::consts::TAU).sin_cos();
    e.canvas.stroke(
        &format!("M{x:.0} 970L{:.0} {:.0}M{x:.0} 970v-66", x + sin * 46.0, 970.0 - cos * 46.0),
        dark,
        8.0,
        1.0,
    );
    for row in 0..3 {
        e.canvas.rect((x - 20.0, 1180.0 + f64::from(row) * 180.0), (40.0, 84.0), p.light.mix(p.low, 0.5));
    }
}
