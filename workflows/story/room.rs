//! The painter of the room: a window, a lamp, a table, and what the scene puts on it.

use crate::canvas::{HEIGHT, WIDTH};
use crate::easel::Easel;
use crate::palette::{BLACK, Rgb};

pub(crate) fn room(e: &mut Easel) {
    let p = e.palette;
    let (wall, floor) = (p.near.mix(p.mid, 0.42), p.near.mix(p.mid, 0.2));
    let paint = e.canvas.linear((0.0, 0.0), (1.0, 1.0), &[(0.0, wall.mix(p.far, 0.18), 1.0), (1.0, p.near, 1.0)]);
    e.canvas.fill_all(paint);
    let paint = e.canvas.vertical(&[(0.0, floor, 1.0), (1.0, p.near.mix(BLACK, 0.35), 1.0)]);
    e.canvas.rect((0.0, 1370.0), (WIDTH, HEIGHT - 1370.0), paint);
    e.canvas.rect((0.0, 1354.0), (WIDTH, 18.0), wall.mix(p.far, 0.3));
    let left = e.seed.between(130.0, 470.0);
    window(e, (left, 190.0), (480.0, 660.0));
    let paint = e.canvas.vertical(&[(0.0, p.light, 0.34), (1.0, p.light, 0.02)]);
    let lean = if left > 300.0 { -220.0 } else { 220.0 };
    e.canvas.path(&format!("M{left:.0} 850h480L{:.0} {HEIGHT}H{:.0}Z", left + 620.0 + lean, left + lean - 60.0), paint);
    let lamp_x = if left > 300.0 { 270.0 } else { 810.0 };
    e.canvas.raw("<g transform=\"translate(0 -90)\">");
    table(e, lamp_x);
    e.canvas.raw("</g>");
}

/// A window of four panes with the world behind it.
fn window(e: &mut Easel, at: (f64, f64), size: (f64, f64)) {
    let p = e.palette;
    let ((x, y), (w, h)) = (at, size);
    e.halo((x + w / 2.0, y + h / 2.0), 760.0, 0.4);
    let paint = e.canvas.vertical(&[(0.0, p.top.mix(p.mid, 0.3), 1.0), (0.5, p.mid, 1.0), (1.0, p.low, 1.0)]);
    e.canvas.rect(at, size, paint);
    let (sun, radius) =
        ((x + w * e.seed.between(0.25, 0.75), y + h * e.seed.between(0.3, 0.6)), e.seed.between(34.0, 60.0));
    e.canvas.circle(sun, radius, p.light, 0.95);
    for (share, depth) in [(0.68, 0.2), (0.8, 0.45)] {
        let rise = e.seed.between(20.0, 90.0);
        let crest = x + w * e.seed.between(0.2, 0.8);
        let (line, foot) = (y + h * share, y + h);
        e.canvas.path(
            &format!("M{x:.0} {line:.0}Q{crest:.0} {:.0} {:.0} {line:.0}V{foot:.0}H{x:.0}Z", line - rise, x + w),
            p.at_depth(depth),
        );
    }
    let frame = p.near.mix(BLACK, 0.2);
    e.canvas.stroke(&format!("M{x:.0} {y:.0}h{w:.0}v{h:.0}h-{w:.0}z"), frame, 26.0, 1.0);
    e.canvas.stroke(&format!("M{:.0} {y:.0}v{h:.0}M{x:.0} {:.0}h{w:.0}", x + w / 2.0, y + h * 0.42), frame, 14.0, 1.0);
    e.canvas.rect((x - 46.0, y + h), (w + 92.0, 34.0), frame);
    let cloth = p.far.mix(p.near, 0.45);
    for (edge, fall) in [(x - 20.0, 1.0), (x + w + 20.0, -1.0)] {
        let hem = edge - fall * 70.0;
        let d = format!(
            "M{edge:.0} {:.0}C{:.0} {:.0} {:.0} {:.0} {:.0} {:.0}H{hem:.0}V{:.0}Z",
            y - 40.0,
            edge + fall * 110.0,
            y + 180.0,
            edge - fall * 10.0,
            y + 380.0,
            edge + fall * 40.0,
            y + h + 90.0,
            y - 40.0
        );
        let paint = e.canvas.linear(
            (0.0, 0.0),
            (1.0, 0.0),
            &[(0.0, cloth, 0.95), (0.5, cloth.mix(p.light, 0.25), 0.95), (1.0, cloth.mix(p.near, 0.5), 0.95)],
        );
        e.canvas.path(&d, paint);
    }
}

/// A table with what the scene puts on it, in the light of a lamp.
fn table(e: &mut Easel, lamp_x: f64) {
    let p = e.palette;
    let dark = p.near.mix(BLACK, 0.35);
    e.halo((lamp_x, 1130.0), 560.0, 0.55);
    let top = e.canvas.linear(
        (0.0, 0.0),
        (1.0, 0.0),
        &[(0.0, p.low.mix(p.near, 0.55), 1.0), (0.5, p.low.mix(p.near, 0.35), 1.0), (1.0, p.low.mix(p.near, 0.7), 1.0)],
    );
    e.canvas.path("M70 1330H1010L1050 1376H30Z", top);
    e.canvas.path("M30 1376H1050V1404H30Z", dark);
    e.canvas.path("M110 1404h46L140 1800h-26zM924 1404h46l-10 396h-26z", dark);
    e.canvas.path(&format!("M{:.0} 1346h110l-14 -16h-34v-190h-14v190h-34z", lamp_x - 55.0), dark);
    let shade = e.canvas.vertical(&[(0.0, p.light.mix(p.low, 0.7), 1.0), (1.0, p.light, 1.0)]);
    e.canvas.path(&format!("M{:.0} 1170l46 -130h108l46 130z", lamp_x - 100.0), shade);
    let side = if lamp_x > 540.0 { 300.0 } else { 640.0 };
    if e.speaks_of("bread baker kitchen") {
        loaf(e, side);
    } else if e.speaks_of("letter book name page number map") {
        let sheet = p.light.mix(p.low, 0.3);
        e.canvas.path(&format!("M{side:.0} 1352l54 -34h170l-34 34z"), sheet);
        e.canvas.stroke(&format!("M{:.0} 1330h104m-118 10h108", side + 66.0), p.near, 3.0, 0.5);
    } else {
        cup(e, side + 60.0);
    }
}

fn loaf(e: &mut Easel, x: f64) {
    let crust: Rgb = e.palette.low.mix(e.palette.near, 0.3);
    let paint =
        e.canvas.vertical(&[(0.0, crust.mix(e.palette.light, 0.35), 1.0), (1.0, crust.mix(e.palette.near, 0.5), 1.0)]);
    e.canvas.path(&format!("M{x:.0} 1348q-6 -104 120 -108q126 4 120 108z"), paint);
    e.canvas.stroke(
        &format!("M{:.0} 1290q16 -26 40 -30m22 26q16 -28 40 -30m20 34q12 -20 34 -20", x + 46.0),
        e.palette.light,
        7.0,
        0.6,
    );
}

fn cup(e: &mut Easel, x: f64) {
    let clay = e.palette.far.mix(e.palette.light, 0.3);
    e.canvas.path(&format!("M{x:.0} 1262h96q0 84 -26 84h-44q-26 0 -26 -84z"), clay);
    e.canvas.stroke(&format!("M{:.0} 1278q34 0 30 24t-40 20", x + 94.0), clay, 9.0, 1.0);
    e.canvas.stroke(
        &format!("M{:.0} 1240q-24 -40 0 -76t0 -76m40 152q-24 -40 0 -76t0 -76", x + 30.0),
        e.palette.light,
        8.0,
        0.28,
    );
}
