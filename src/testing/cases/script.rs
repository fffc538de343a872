//! The mock that a test file describes.

use crate::model::failure::Failure;
use crate::testing::mocks::Mock;
use crate::workflow::cases::Answer;

/// Reads it once more, as a mock.
pub(super) fn mock(answer: &Answer) -> Mock {
    match answer {
        Answer::Output(json) => Mock::json(&json.text),
        Answer::Fail { class, message, retry_after } => {
            let failure = Failure::new(*class, message);
            Mock::failure(match retry_after {
                Some(wait) => failure.retry_after(*wait),
                None => failure,
            })
        }
        Answer::Attempts(answers) => {
            // The reader refuses an empty list.
            let mut answers = answers.iter().map(mock);
            let first = answers.next().unwrap_or_else(|| Mock::json("null"));
            answers.fold(first, Mock::then)
        }
        Answer::Rounds(_, answers) => Mock::rounds(answers.iter().map(mock)),
        Answer::Items(_, answers) => Mock::items(answers.iter().map(mock)),
    }
}
