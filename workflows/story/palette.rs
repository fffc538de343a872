//! Colours for a mood: a sky of three, a light, and the two ends of the distance between far and near.

use std::fmt;

use crate::scene::Mood;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rgb(u32);

pub(crate) const WHITE: Rgb = Rgb(0xff_ffff);
pub(crate) const BLACK: Rgb = Rgb(0x00_0000);

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:06x}", self.0)
    }
}

impl Rgb {
    /// A share of the other colour mixed in, from 0 (none) to 1 (only it).
    pub(crate) fn mix(self, other: Self, share: f64) -> Self {
        let channel = |shift: u32| {
            let (a, b) = (f64::from(self.0 >> shift & 255), f64::from(other.0 >> shift & 255));
            ((a + (b - a) * share.clamp(0.0, 1.0)).round() as u32) << shift
        };
        Self(channel(16) | channel(8) | channel(0))
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    pub(crate) top: Rgb,
    pub(crate) mid: Rgb,
    pub(crate) low: Rgb,
    pub(crate) light: Rgb,
    pub(crate) far: Rgb,
    pub(crate) near: Rgb,
}

impl Palette {
    /// One of the mood's three palettes; `turn` walks through them, so that neighbours differ.
    pub(crate) fn of(mood: Mood, turn: u32) -> Self {
        let [top, mid, low, light, far, near] = match mood {
            Mood::Calm => CALM,
            Mood::Warm => WARM,
            Mood::Tense => TENSE,
            Mood::Wonder => WONDER,
            Mood::Wistful => WISTFUL,
            Mood::Bright => BRIGHT,
        }[turn as usize % 3]
            .map(Rgb);
        Self { top, mid, low, light, far, near }
    }

    /// The colour of a layer at this depth: 0 is the horizon, 1 the foreground.
    pub(crate) fn at_depth(&self, depth: f64) -> Rgb {
        self.far.mix(self.near, depth)
    }
}

/// top, mid, low, light, far, near
type Six = [u32; 6];

const CALM: [Six; 3] = [
    [0x1d3b53, 0x4f7f94, 0xe8d5b5, 0xfff3d6, 0x8fb0b5, 0x12242f],
    [0x23424a, 0x6f9a8d, 0xf0dfc0, 0xfff6e0, 0x9bb8a6, 0x13272a],
    [0x2b3a67, 0x7d8fc0, 0xf1d9d0, 0xfff0e8, 0xa4acd0, 0x171d3a],
];
const WARM: [Six; 3] = [
    [0x4a1f3d, 0xc8553d, 0xffcf86, 0xfff0c2, 0xd98a5f, 0x2a1020],
    [0x3a2440, 0xb5546a, 0xffc9a0, 0xfff1d9, 0xcf8f86, 0x221228],
    [0x59261f, 0xd0743a, 0xffdf9e, 0xfff4cf, 0xd9a066, 0x2b130d],
];
const TENSE: [Six; 3] = [
    [0x0e1420, 0x33415a, 0x9a9b93, 0xe9e4cf, 0x5d6874, 0x070b12],
    [0x170b0e, 0x5d1a1b, 0xe0662f, 0xffd9a0, 0x7a2f28, 0x0c0607],
    [0x0f191c, 0x2c4a4c, 0xa9ab8c, 0xf0ecc9, 0x567070, 0x071012],
];
const WONDER: [Six; 3] = [
    [0x0a0f2c, 0x2a2f6e, 0xb06fb0, 0xf7e7ff, 0x5a4f98, 0x080a20],
    [0x071a2e, 0x13507a, 0x6fd0c5, 0xe6fff8, 0x2f7f96, 0x051320],
    [0x140b2e, 0x4a2a7a, 0xf08fa0, 0xffe9e4, 0x84508f, 0x0e0720],
];
const WISTFUL: [Six; 3] = [
    [0x2c2f45, 0x76738f, 0xe6c3b1, 0xffeede, 0x9a92a5, 0x191a2a],
    [0x1f3540, 0x66848a, 0xdcd3c1, 0xfff5e2, 0x93a7a6, 0x12222a],
    [0x3b2f40, 0x96768a, 0xf0c8a8, 0xfff0dc, 0xb393a0, 0x21182a],
];
const BRIGHT: [Six; 3] = [
    [0x14598f, 0x59b0d8, 0xfdebbf, 0xfffbe3, 0x8fc6cf, 0x0f3b4a],
    [0x0f5f63, 0x5cbfa5, 0xfff0b8, 0xfffbe0, 0x8fd0b5, 0x0c3a38],
    [0x2a4fa0, 0x8fa6ea, 0xffd9c0, 0xfff6ea, 0xa9b6ea, 0x172a58],
];
