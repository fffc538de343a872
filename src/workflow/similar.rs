//! The word that was probably meant.

/// Words are compared up to this many characters, so that a long one costs little.
const COMPARED: usize = 64;

/// The candidate nearest to a misspelt word, if one is near enough: one slip for every three letters.
pub(crate) fn similar<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(COMPARED).flat_map(char::to_lowercase).collect();
    let slips = (word.chars().count() / 3).max(1);
    let near = |candidate: &&'a str| candidate.len().abs_diff(word.len()) <= 2 * slips;
    candidates
        .into_iter()
        .filter(near)
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Slips between two words; a missing or added `s` at the end is hardly one.
fn distance(word: &str, candidate: &str) -> usize {
    if word.trim_end_matches('s') == candidate.trim_end_matches('s') {
        return 0;
    }
    strsim::damerau_levenshtein(word, candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let keys = ["rust", "needs", "for_each", "timeout"];
        assert_eq!(similar("need", keys), Some("needs"));
        assert_eq!(similar("foreach", keys), Some("for_each"));
        assert_eq!(similar("for-each", keys), Some("for_each"));
        assert_eq!(similar("timeuot", keys), Some("timeout"));
        assert_eq!(similar("Rust", keys), Some("rust"));
        assert_eq!(similar("retries", keys), None);
        assert_eq!(similar("", keys), None);
    }
}
