//! Stages that do nothing: they read only as much of their input as they must, and report when they started.

use rand::Rng;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::case::SMALLEST_PAYLOAD;
use crate::model::failure::Failure;
use crate::stage::handler::{Handler, Input};

/// What every stage of a bench returns.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    /// Microseconds since 1970 when the handler began: 16 digits until the year 2286.
    at: i64,
    data: String,
}

/// Bytes of `{"at":0123456789012345,"data":""}`.
const FRAME: usize = 33;

/// A stage that returns an output of exactly so many bytes, which no compression makes smaller than half.
pub(crate) fn step(bytes: usize) -> impl Handler<(Input<IgnoredAny>,)> {
    move |Input(_): Input<IgnoredAny>| {
        let at = chrono::Utc::now().timestamp_micros();
        std::future::ready(Ok::<_, Failure>(Step { at, data: noise(bytes.max(SMALLEST_PAYLOAD) - FRAME) }))
    }
}

/// The stage that makes as many small elements as the run's input says.
pub(crate) async fn list(Input(run): Input<List>) -> Result<Vec<u32>, Failure> {
    Ok((0..run.input.items).collect())
}

#[derive(Debug, Deserialize)]
pub(crate) struct List {
    input: Items,
}

#[derive(Debug, Deserialize)]
struct Items {
    items: u32,
}

/// Random hexadecimal digits.
fn noise(digits: usize) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut bytes = vec![0u8; digits.div_ceil(2)];
    rand::rng().fill_bytes(&mut bytes);
    let pairs = bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    pairs.take(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_has_the_size_that_was_asked_for() {
        for bytes in [64, 65, 200, 1 << 20] {
            let at = chrono::Utc::now().timestamp_micros();
            let text = serde_json::to_string(&Step { at, data: noise(bytes - FRAME) }).expect("JSON");
            assert_eq!(text.len(), bytes);
        }
    }
}
