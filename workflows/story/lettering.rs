//! The lettering: scene number, rule and title, set into the picture on a veil that keeps them readable.

use crate::canvas::{HEIGHT, WIDTH};
use crate::easel::Easel;
use crate::palette::BLACK;
use crate::text;

const LEFT: f64 = 84.0;
const MEASURE: f64 = WIDTH - 2.0 * LEFT;
const SIZES: [f64; 5] = [138.0, 120.0, 104.0, 88.0, 74.0];

/// Where the picture leaves room for words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Place {
    Top,
    Bottom,
}

pub(crate) fn letter(e: &mut Easel, number: u32, title: &str, place: Place) {
    let (size, lines) = set(title);
    let height = lines.len() as f64 * size * 1.06;
    let ink = e.palette.near.mix(BLACK, 0.3);
    let (veil, first) = match place {
        Place::Top => {
            let paint = e.canvas.vertical(&[(0.0, ink, 0.62), (0.55, ink, 0.3), (1.0, ink, 0.0)]);
            ((0.0, 520.0 + height * 0.6, paint), 226.0 + size * 0.8)
        }
        Place::Bottom => {
            let paint = e.canvas.vertical(&[(0.0, ink, 0.0), (0.5, ink, 0.55), (1.0, ink, 0.86)]);
            let top = HEIGHT - height - 520.0;
            ((top, HEIGHT - top, paint), HEIGHT - height - 130.0 + size * 0.8)
        }
    };
    e.canvas.rect((0.0, veil.0), (WIDTH, veil.1), veil.2);
    let label = first - size * 0.8 - 62.0;
    let light = e.palette.light;
    e.canvas.raw(&format!(
        "<g fill=\"{light}\" font-family=\"Georgia,'Times New Roman',serif\"><text x=\"{LEFT}\" y=\"{label:.0}\" font-size=\"44\" letter-spacing=\"6\" font-family=\"Helvetica,Arial,sans-serif\">{number:02}</text>"
    ));
    e.canvas.stroke(&format!("M{} {:.0}h150", LEFT + 92.0, label - 15.0), light, 3.0, 0.8);
    for (at, line) in lines.iter().enumerate() {
        let y = first + at as f64 * size * 1.06;
        e.canvas.raw(&format!(
            "<text x=\"{LEFT}\" y=\"{y:.0}\" font-size=\"{size}\" letter-spacing=\"-1\">{}</text>",
            text::escape(line)
        ));
    }
    e.canvas.raw("</g>");
}

/// The largest size at which the title stands in three lines, or the smallest in as many as it takes.
fn set(title: &str) -> (f64, Vec<String>) {
    for size in SIZES {
        let lines = wrapped(title, size);
        if lines.len() <= 3 && lines.iter().all(|line| width(line) * size <= MEASURE) {
            return (size, lines);
        }
    }
    let small = SIZES[SIZES.len() - 1];
    (small, wrapped(title, small).into_iter().take(5).map(|line| cut(&line, small)).collect())
}

fn wrapped(title: &str, size: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in title.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}")) * size <= MEASURE => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn cut(line: &str, size: f64) -> String {
    let mut kept = String::new();
    for c in line.chars() {
        if width(&kept) * size > MEASURE - size * 2.2 {
            kept.push('…');
            break;
        }
        kept.push(c);
    }
    kept
}

/// In ems, for a serif of usual width; signs outside Latin, Greek and Cyrillic count as square.
fn width(text: &str) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | ' ' | '.' | ',' | '\'' | '’' | '!' => 0.34,
        'm' | 'w' | 'M' | 'W' => 0.88,
        c if c.is_uppercase() => 0.7,
        c if (c as u32) < 0x700 => 0.54,
        _ => 1.05,
    };
    text.chars().map(em).sum()
}

#[cfg(test)]
mod tests {
    use super::{MEASURE, set, width};

    #[test]
    fn a_title_of_any_length_stays_within_the_picture() {
        let endless = "x".repeat(300);
        for title in ["Tide", "Where the last keepers of the light go", "深海の光と影の物語", &endless] {
            let (size, lines) = set(title);
            assert!(lines.len() <= 5 && lines.iter().all(|line| width(line) * size <= MEASURE), "{title}");
        }
    }
}
