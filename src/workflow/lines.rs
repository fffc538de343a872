//! The lines of a text, found by byte.

use std::ops::Range;

/// Where each line begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn of(text: &str) -> Lines {
        Lines(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The line that a byte is on, from 0.
    pub(crate) fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start <= byte).saturating_sub(1)
    }

    /// The bytes of a line, without its end.
    pub(crate) fn range(&self, text: &str, line: usize) -> Range<usize> {
        let start = self.0.get(line).copied().unwrap_or(text.len());
        let end = self.0.get(line + 1).map_or(text.len(), |next| next - 1);
        let end = if text[start..end].ends_with('\r') { end - 1 } else { end };
        start..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_on_a_line() {
        let text = "a\r\nbc\n";
        let lines = Lines::of(text);
        assert_eq!((0..=6).map(|byte| lines.at(byte)).collect::<Vec<_>>(), [0, 0, 0, 1, 1, 1, 2]);
        assert_eq!((0..4).map(|line| &text[lines.range(text, line)]).collect::<Vec<_>>(), ["a", "bc", "", ""]);
    }
}
