//! The picture of the overview in docs/monitoring.md: drawn from what a real Prometheus answered, with Grafana's layout and not by
//! Grafana.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::grafana::{Fleet, TROUBLED, generator, misbehaves, trouble};
use crate::harness::World;
use crate::prometheus::Prometheus;
use crate::workflows::SQUARES;

/// How long the workers work for the picture.
const SPAN: Duration = Duration::from_secs(150);
const STEP: u64 = 2;
/// Pixels of a column and of a row of Grafana's grid.
const CELL: (f64, f64) = (50.0, 28.0);
const COLORS: [&str; 8] = ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#c4c8d0"];

/// One line of a picture.
struct Line {
    name: String,
    /// Seconds since the epoch, and values.
    points: Vec<(f64, f64)>,
}

/// `cargo test --test promises picture -- --ignored`: two minutes and a half of work, and docs/overview.svg anew.
#[tokio::test]
#[ignore = "draws the picture of docs/monitoring.md anew"]
async fn of_the_overview() {
    let world = World::with(&[SQUARES, TROUBLED]).await;
    let fleet = Fleet::new(&world);
    let prometheus = Prometheus::start(world.folder.path(), &fleet.addresses).await;
    let workers = trouble(&world, &fleet).await;
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < SPAN {
        number += 1;
        world.start("squares", r#"{"items": 40, "work_ms": 150, "fails_once_every": 9}"#);
        if number % 7 == 0 {
            misbehaves(&world, r#"{"how": "fail", "times": 9, "class": "auth_failure"}"#);
            misbehaves(&world, r#"{"how": "fail", "times": 3, "class": "network_timeout"}"#);
        }
        // The load is the event: it comes in waves.
        tokio::time::sleep(Duration::from_millis(if number % 40 < 25 { 900 } else { 3000 })).await;
    }
    let svg = draw(&prometheus, begun.elapsed().as_secs());
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/overview.svg"), svg).unwrap();
    drop(workers);
}

fn draw(prometheus: &Prometheus, seconds: u64) -> String {
    let dashboard = generator::all().into_iter().find(|(file, _)| *file == "overview.json").unwrap().1;
    let panels = dashboard["panels"].as_array().unwrap();
    let bottom = panels.iter().map(|p| number(&p["gridPos"]["y"]) + number(&p["gridPos"]["h"])).fold(0.0, f64::max);
    let (width, height) = (24.0 * CELL.0, bottom * CELL.1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#111217\"/>\n"
    );
    for panel in panels {
        let at = |name: &str| number(&panel["gridPos"][name]);
        let frame = (at("x") * CELL.0 + 4.0, at("y") * CELL.1 + 4.0, at("w") * CELL.0 - 8.0, at("h") * CELL.1 - 8.0);
        let (x, y, w, h) = frame;
        writeln!(svg, "<g transform=\"translate({x} {y})\">").unwrap();
        let title = panel["title"].as_str().unwrap();
        match panel["type"].as_str().unwrap() {
            "row" => label(&mut svg, (4.0, 15.0), 14.0, "#ccccdc", title),
            "stat" => stat(&mut svg, prometheus, panel, (w, h)),
            _ => {
                writeln!(svg, "<rect width=\"{w}\" height=\"{h}\" rx=\"3\" fill=\"#181b1f\"/>").unwrap();
                label(&mut svg, (10.0, 20.0), 13.0, "#ccccdc", title);
                lines(&mut svg, &asked(prometheus, panel, seconds), (w, h));
            }
        }
        svg.push_str("</g>\n");
    }
    svg + "</svg>\n"
}

fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0.0)
}

fn label(svg: &mut String, (x, y): (f64, f64), size: f64, color: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(svg, "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" fill=\"{color}\">{text}</text>").unwrap();
}

/// One number on the colour of its threshold.
fn stat(svg: &mut String, prometheus: &Prometheus, panel: &Value, (w, h): (f64, f64)) {
    let series = prometheus.query(panel["targets"][0]["expr"].as_str().unwrap());
    let value = series.first().map_or(f64::NAN, |series| number(&series["value"][1]));
    let defaults = &panel["fieldConfig"]["defaults"];
    let steps = defaults["thresholds"]["steps"].as_array().unwrap();
    let passed = steps.iter().rev().find(|step| step["value"].is_null() || value >= number(&step["value"])).unwrap();
    let color = match passed["color"].as_str().unwrap() {
        "green" => "#2f7a3b",
        "orange" => "#b8690f",
        _ => "#a52834",
    };
    writeln!(svg, "<rect width=\"{w}\" height=\"{h}\" rx=\"3\" fill=\"{color}\"/>").unwrap();
    label(svg, (10.0, 20.0), 13.0, "#ffffff", panel["title"].as_str().unwrap());
    let unit = if defaults["unit"] == "s" { " s" } else { "" };
    label(svg, (10.0, h - 22.0), 34.0, "#ffffff", &format!("{value:.0}{unit}"));
}

/// What the expressions of a panel gave over time.
fn asked(prometheus: &Prometheus, panel: &Value, seconds: u64) -> Vec<Line> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut lines = Vec::new();
    for target in panel["targets"].as_array().unwrap() {
        let expression = target["expr"].as_str().unwrap().replace("$__rate_interval", "10s");
        let encoded = utf8_percent_encode(&expression, NON_ALPHANUMERIC);
        let span = format!("start={}&end={now}&step={STEP}", now - seconds);
        let data = prometheus.ask(&format!("/api/v1/query_range?query={encoded}&{span}"));
        for series in data["result"].as_array().unwrap() {
            let mut name = target["legendFormat"].as_str().unwrap().to_owned();
            for (label, value) in series["metric"].as_object().unwrap() {
                name = name.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap());
            }
            let points =
                series["values"].as_array().unwrap().iter().map(|point| (number(&point[0]), number(&point[1])));
            lines.push(Line { name, points: points.filter(|(_, value)| value.is_finite()).collect() });
        }
    }
    let top = |line: &Line| line.points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    lines.sort_by(|a, b| top(b).total_cmp(&top(a)));
    lines
}

/// The lines with their legend, and three values beside them.
fn lines(svg: &mut String, lines: &[Line], (w, h): (f64, f64)) {
    let all = || lines.iter().flat_map(|line| &line.points);
    let top = all().map(|(_, value)| *value).fold(0.0, f64::max);
    let top = if top == 0.0 { 1.0 } else { top };
    let (from, to) = all().fold((f64::MAX, f64::MIN), |(from, to), (at, _)| (from.min(*at), to.max(*at)));
    let (left, right, upper, lower) = (52.0, w - 170.0, 34.0, h - 14.0);
    for part in [0.0, 0.5, 1.0] {
        let y = lower - (lower - upper) * part;
        writeln!(svg, "<path d=\"M{left} {y}H{right}\" stroke=\"#2a2d33\"/>").unwrap();
        let value = top * part;
        let digits = if top < 0.1 {
            3
        } else if top < 10.0 {
            1
        } else {
            0
        };
        label(svg, (8.0, y + 4.0), 11.0, "#9fa3ad", &format!("{value:.digits$}"));
    }
    for (line, color) in lines.iter().zip(COLORS) {
        let place = |(at, value): &(f64, f64)| {
            let x = left + (right - left) * (at - from) / (to - from).max(1.0);
            format!("{x:.1},{:.1}", lower - (lower - upper) * value / top)
        };
        let points: Vec<String> = line.points.iter().map(place).collect();
        let points = points.join(" ");
        writeln!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\"/>").unwrap();
    }
    for ((line, color), row) in lines.iter().zip(COLORS).zip(0..) {
        let y = 44.0 + 17.0 * f64::from(row);
        writeln!(svg, "<path d=\"M{} {}h14\" stroke=\"{color}\" stroke-width=\"3\"/>", w - 158.0, y - 4.0).unwrap();
        label(svg, (w - 138.0, y), 11.0, "#ccccdc", &line.name);
    }
}
