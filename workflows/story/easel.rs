//! The easel: what every painter holds, the canvas, the colours and the dice, and the sky all of them begin with.

use crate::canvas::{Canvas, HEIGHT, WIDTH};
use crate::palette::{BLACK, Palette};
use crate::seed::Seed;

pub(crate) struct Easel {
    pub(crate) canvas: Canvas,
    pub(crate) palette: Palette,
    pub(crate) seed: Seed,
    /// The words of the scene, bare.
    pub(crate) words: Vec<String>,
}

impl Easel {
    /// Whether the scene speaks of one of these, in the singular or the plural.
    pub(crate) fn speaks_of(&self, list: &str) -> bool {
        self.words.iter().any(|word| is_listed(list, word))
    }

    /// A sky that is brightest at the horizon, with a few long clouds.
    pub(crate) fn sky(&mut self, horizon: f64) {
        let p = self.palette;
        let at = horizon / HEIGHT;
        let paint = self.canvas.vertical(&[
            (0.0, p.top, 1.0),
            (at * 0.55, p.mid, 1.0),
            (at, p.low, 1.0),
            (1.0, p.low.mix(p.mid, 0.4), 1.0),
        ]);
        self.canvas.fill_all(paint);
        for _ in 0..4 {
            let (x, y) = (self.seed.between(0.0, WIDTH), self.seed.between(horizon * 0.42, horizon * 0.9));
            let (length, height) = (self.seed.between(220.0, 520.0), self.seed.between(10.0, 26.0));
            let colour = p.light.mix(p.mid, self.seed.between(0.1, 0.6));
            let paint = self.canvas.radial(&[(0.0, colour, 0.5), (0.6, colour, 0.22), (1.0, colour, 0.0)]);
            self.canvas.ellipse((x, y), (length, height), -1.0, paint);
        }
    }

    /// A disc of light in a wide halo.
    pub(crate) fn sun(&mut self, at: (f64, f64), radius: f64) {
        let light = self.palette.light;
        self.halo(at, radius * 6.0, 0.75);
        let rim = light.mix(self.palette.low, 0.25);
        let paint = self.canvas.vertical(&[(0.0, light, 1.0), (1.0, rim, 1.0)]);
        self.canvas.circle(at, radius, paint, 0.96);
    }

    pub(crate) fn halo(&mut self, at: (f64, f64), radius: f64, strength: f64) {
        let light = self.palette.light;
        let paint = self.canvas.radial(&[
            (0.0, light, strength),
            (0.25, light, strength * 0.45),
            (0.6, light, strength * 0.12),
            (1.0, light, 0.0),
        ]);
        self.canvas.circle(at, radius, paint, 1.0);
    }

    /// A band of mist, densest in its middle.
    pub(crate) fn mist(&mut self, y: f64, height: f64, strength: f64) {
        let colour = self.palette.low.mix(self.palette.light, 0.3);
        let paint = self.canvas.vertical(&[(0.0, colour, 0.0), (0.55, colour, strength), (1.0, colour, 0.0)]);
        self.canvas.rect((0.0, y - height / 2.0), (WIDTH, height), paint);
    }

    /// Darker corners hold the eye in the picture.
    pub(crate) fn vignette(&mut self) {
        let near = self.palette.near.mix(BLACK, 0.4);
        let paint = self.canvas.radial(&[(0.0, near, 0.0), (0.72, near, 0.0), (1.0, near, 0.42)]);
        self.canvas.ellipse((WIDTH / 2.0, HEIGHT / 2.0), (WIDTH * 0.98, HEIGHT * 0.78), 0.0, paint);
    }
}

pub(crate) fn is_listed(list: &str, word: &str) -> bool {
    let same = |entry: &str| {
        word == entry || word.strip_prefix(entry).is_some_and(|end| matches!(end, "s" | "es" | "'s" | "’s"))
    };
    list.split_whitespace().any(same)
}
