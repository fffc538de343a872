//! Choices that look free and are not: the same words always give the same numbers, so that a stage which
//! runs twice gives the same result twice.

/// A small deterministic generator (splitmix64) seeded by words.
#[derive(Debug, Clone)]
pub(crate) struct Seed(u64);

impl Seed {
    /// The seed of these words, in this order (FNV-1a, with a mark after each word).
    pub(crate) fn of(words: &[&str]) -> Self {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for word in words {
            for byte in word.bytes().chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        Self(hash)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// In `0..bound`; 0 when there is nothing to choose from.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % (bound.max(1) as u64)) as usize
    }

    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    pub(crate) fn pick<'a, T, const N: usize>(&mut self, items: &'a [T; N]) -> &'a T {
        &items[self.below(N)]
    }
}

#[cfg(test)]
mod tests {
    use super::Seed;

    #[test]
    fn the_same_words_choose_the_same_and_other_words_another() {
        let draw = |words: &[&str]| {
            let mut seed = Seed::of(words);
            [seed.next(), seed.next()]
        };
        assert_eq!(draw(&["sea", "lamp"]), draw(&["sea", "lamp"]));
        assert_ne!(draw(&["sea", "lamp"]), draw(&["sealamp"]));
        assert_ne!(draw(&["sea", "lamp"]), draw(&["lamp", "sea"]));
    }

    #[test]
    fn a_unit_stays_in_its_range() {
        let mut seed = Seed::of(&["range"]);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&seed.unit())));
    }
}
