//! What a stage returns: a JSON object of a given size that is new every time.

const FRAME: (&str, &str) = (r#"{"data":""#, r#""}"#);

/// Makes outputs. Numbers from splitmix64, so that no two outputs are alike and none compresses well.
#[derive(Debug, Clone)]
pub struct Outputs {
    bytes: usize,
    state: u64,
}

impl Outputs {
    /// Outputs of so many bytes each.
    #[must_use]
    pub fn of(bytes: u32, seed: u64) -> Outputs {
        Outputs { bytes: bytes as usize, state: seed }
    }

    /// The hexadecimal digits of one output.
    pub fn digits(&mut self) -> String {
        let mut text = String::with_capacity(self.bytes);
        self.append_digits(&mut text);
        text
    }

    /// One output as JSON text.
    pub fn json(&mut self) -> String {
        let mut text = String::with_capacity(self.bytes);
        text.push_str(FRAME.0);
        self.append_digits(&mut text);
        text.push_str(FRAME.1);
        text
    }

    fn append_digits(&mut self, text: &mut String) {
        let mut missing = self.bytes.saturating_sub(FRAME.0.len() + FRAME.1.len());
        while missing > 0 {
            let word = self.next();
            for nibble in (0..16).take(missing) {
                let digit = (word >> (nibble * 4)) as u8 & 15;
                text.push(char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }));
            }
            missing = missing.saturating_sub(16);
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_json_of_the_size_asked_for_and_differ() {
        let mut outputs = Outputs::of(200, 1);
        let (first, second) = (outputs.json(), outputs.json());
        assert_eq!((first.len(), second.len()), (200, 200));
        assert_ne!(first, second);
        assert!(serde_json::from_str::<serde_json::Value>(&first).is_ok_and(|value| value["data"].is_string()));
    }
}
