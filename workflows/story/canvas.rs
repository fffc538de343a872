//! The canvas: SVG elements and gradients, written as short as they can be, with ids of the scene's own.

use std::fmt::{Display, Write};

use crate::palette::Rgb;

/// Portrait, as phones are held.
pub(crate) const WIDTH: f64 = 1080.0;
pub(crate) const HEIGHT: f64 = 1920.0;

/// A stop of a gradient: where (0 to 1), which colour, how opaque (0 to 1).
pub(crate) type Stop = (f64, Rgb, f64);

#[derive(Debug)]
pub(crate) struct Canvas {
    prefix: String,
    gradients: u32,
    defs: String,
    body: String,
}

impl Canvas {
    /// The prefix keeps the ids of several pictures apart on one page.
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), gradients: 0, defs: String::new(), body: String::new() }
    }

    /// A gradient from point to point of the painted shape's box (0 to 1); gives the paint to fill with.
    pub(crate) fn linear(&mut self, from: (f64, f64), to: (f64, f64), stops: &[Stop]) -> String {
        let axis = format!("x1=\"{:.2}\" y1=\"{:.2}\" x2=\"{:.2}\" y2=\"{:.2}\"", from.0, from.1, to.0, to.1);
        self.gradient("linearGradient", &axis, stops)
    }

    pub(crate) fn vertical(&mut self, stops: &[Stop]) -> String {
        self.linear((0.0, 0.0), (0.0, 1.0), stops)
    }

    pub(crate) fn radial(&mut self, stops: &[Stop]) -> String {
        self.gradient("radialGradient", "", stops)
    }

    fn gradient(&mut self, kind: &str, axis: &str, stops: &[Stop]) -> String {
        self.gradients += 1;
        let id = format!("{}g{}", self.prefix, self.gradients);
        let stops: String = stops
            .iter()
            .map(|(at, colour, opacity)| {
                let seen = if *opacity < 1.0 { format!(" stop-opacity=\"{opacity:.2}\"") } else { String::new() };
                format!("<stop offset=\"{at:.2}\" stop-color=\"{colour}\"{seen}/>")
            })
            .collect();
        self.defs.push_str(&format!("<{kind} id=\"{id}\" {axis}>{stops}</{kind}>"));
        format!("url(#{id})")
    }

    pub(crate) fn path(&mut self, d: &str, fill: impl Display) {
        self.veil(d, fill, 1.0);
    }

    /// A path one can see through.
    pub(crate) fn veil(&mut self, d: &str, fill: impl Display, opacity: f64) {
        let seen = opacity_of(opacity);
        self.push(format_args!("<path d=\"{d}\" fill=\"{fill}\"{seen}/>"));
    }

    pub(crate) fn stroke(&mut self, d: &str, colour: impl Display, width: f64, opacity: f64) {
        let seen = opacity_of(opacity);
        self.push(format_args!(
            "<path d=\"{d}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width:.1}\" stroke-linecap=\"round\"{seen}/>"
        ));
    }

    pub(crate) fn circle(&mut self, at: (f64, f64), radius: f64, fill: impl Display, opacity: f64) {
        let seen = opacity_of(opacity);
        self.push(format_args!(
            "<circle cx=\"{:.0}\" cy=\"{:.0}\" r=\"{radius:.1}\" fill=\"{fill}\"{seen}/>",
            at.0, at.1
        ));
    }

    pub(crate) fn ellipse(&mut self, at: (f64, f64), radii: (f64, f64), turn: f64, fill: impl Display) {
        let (x, y) = at;
        self.push(format_args!(
            "<ellipse cx=\"{x:.0}\" cy=\"{y:.0}\" rx=\"{:.0}\" ry=\"{:.0}\" fill=\"{fill}\" transform=\"rotate({turn:.0} {x:.0} {y:.0})\"/>",
            radii.0, radii.1
        ));
    }

    pub(crate) fn rect(&mut self, at: (f64, f64), size: (f64, f64), fill: impl Display) {
        self.push(format_args!(
            "<rect x=\"{:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"{:.0}\" fill=\"{fill}\"/>",
            at.0, at.1, size.0, size.1
        ));
    }

    pub(crate) fn fill_all(&mut self, fill: impl Display) {
        self.rect((0.0, 0.0), (WIDTH, HEIGHT), fill);
    }

    /// Finished markup from elsewhere, already escaped.
    pub(crate) fn raw(&mut self, markup: &str) {
        self.body.push_str(markup);
    }

    fn push(&mut self, markup: std::fmt::Arguments<'_>) {
        // Writing into a String cannot fail.
        if self.body.write_fmt(markup).is_err() {
            self.body.push_str("<!-- -->");
        }
    }

    /// The whole picture; the label is what a screen reader says, already escaped.
    pub(crate) fn finish(self, label: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\"><defs>{}</defs>{}</svg>",
            self.defs, self.body
        )
    }
}

fn opacity_of(opacity: f64) -> String {
    if opacity < 1.0 { format!(" opacity=\"{opacity:.2}\"") } else { String::new() }
}
