//! What a job that has no output failed of.

use serde_json::json;

use super::super::verdict;
use super::job::Gone;
use super::message::Failed;
use super::output::Output;
use crate::model::failure::{Failure, FailureClass};
use crate::stage::secrets::Secrets;
use crate::workflow::definition::CommandStage;
use crate::workflow::template::Template;

/// As the program says.
pub(super) fn said(failed: Failed, output: &Output, secrets: &Secrets) -> Failure {
    let Failed { class, message, retry_after, detail } = failed;
    let class = class.and_then(|class| class.parse().ok()).unwrap_or(FailureClass::Unknown);
    let message = message.unwrap_or_else(|| "the program says no more than that it failed".to_owned());
    let detail = detail.map_or_else(|| json!({}), |detail| json!({"detail": detail}));
    let failure = output.add_to(Failure::new(class, message).detail(detail), secrets);
    match retry_after {
        Some(wait) => failure.retry_after(wait),
        None => failure,
    }
}

/// As the end of the program says.
pub(super) fn of_its_end(gone: Gone, stage: &CommandStage, output: &Output, secrets: &Secrets) -> Failure {
    let words = output.stderr();
    let program = stage.argv.first().map_or("", Template::as_str);
    let failure = match gone {
        Gone::Died(end) | Gone::AtItsEnd(end) => match verdict::of(program, end, &words, &stage.classes, secrets) {
            Err(failure) => failure,
            Ok(_) => Failure::unknown(format!("`{program}` ended before it answered"))
                .detail(json!({"status": 0, "stderr": words.without(secrets)})),
        },
        Gone::Broken(said) => output.add_to(Failure::unknown(format!("`{program}` {said}")), secrets),
        Gone::OutOfMemory(said) => {
            output.add_to(Failure::new(FailureClass::OutOfMemory, format!("`{program}` {said}")), secrets)
        }
        Gone::TooLarge(most) => Failure::invalid_input(format!(
            "`{program}` sent a message of more than {most} bytes; keep big things in files and hand on their names, and cut \
             what a failure or a line for the log says"
        )),
    };
    output.add_stdout_to(failure, secrets)
}
