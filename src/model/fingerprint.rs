//! Groups failures of one cause: what differs from run to run is left out of the message. Pure.

use super::digest;
use super::failure::FailureClass;

/// Characters of the message that count: what comes after is mostly data.
const LOOKED_AT: usize = 200;

/// 16 hexadecimal digits, the same for failures of the same class whose messages differ in numbers, ids and quoted
/// words only.
pub(crate) fn fingerprint(class: FailureClass, message: &str) -> String {
    digest::hex(&digest::of(&format!("{class}\n{}", normalised(message)))[..8])
}

/// The first line in small letters; words that hold a digit, and what stands in quotes, are all the same.
fn normalised(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line: String = line.chars().take(LOOKED_AT).flat_map(char::to_lowercase).collect();
    let mut text = String::new();
    for (at, stretch) in line.split(['`', '"', '\'']).enumerate() {
        if at % 2 == 1 {
            text.push_str("'…'");
            continue;
        }
        for word in stretch.split_whitespace() {
            text.push_str(if word.contains(|c: char| c.is_ascii_digit()) { "#" } else { word });
            text.push(' ');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(one: &str, other: &str) -> bool {
        let of = |message| fingerprint(FailureClass::Unknown, message);
        of(one) == of(other)
    }

    #[test]
    fn failures_of_one_cause_have_one_fingerprint() {
        assert!(same("no user 17 in shard a7", "no user 4711 in shard b9"));
        assert!(same("cannot read `a.txt`: gone", "cannot read `other/b.txt`: gone"));
        assert!(same("Too many requests", "too many  requests\nsecond line"));
        assert!(!same("cannot read `a.txt`: gone", "cannot read `a.txt`: busy"));
        let rate = fingerprint(FailureClass::RateLimited, "x");
        assert_ne!(rate, fingerprint(FailureClass::Unknown, "x"), "the class counts");
    }

    proptest! {
        #[test]
        fn any_message_has_one(message in any::<String>()) {
            let found = fingerprint(FailureClass::Unknown, &message);
            prop_assert!(found.len() == 16 && found.bytes().all(|b| b.is_ascii_hexdigit()));
        }
    }
}
