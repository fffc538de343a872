//! However a program ends, there is a verdict.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::model::fuzz;

const PIECES: &[&str] = &[
    "{",
    "}",
    "\"class\"",
    ": ",
    "\"rate_limited\"",
    "\"crashed\"",
    "\"nonsense\"",
    ", ",
    "\"message\": \"m\"",
    "\"retry_after\": ",
    "\"30s\"",
    "-1",
    "1e308",
    "1e999",
    "99999999999999999999",
    "\"detail\": ",
    "[[[[[[[[[[",
    "null",
    "\n",
    "\r\n",
    "{\"class\": \"unknown\"}",
    "{\"class\": \"rate_limited\", \"retry_after\": 5}",
    "\u{1b}[31m",
    "\0",
    "\u{fffd}",
];

fn ends() -> impl Strategy<Value = End> {
    prop_oneof![
        any::<i32>().prop_map(|code| End::Exited(code, b"7".to_vec())),
        Just(()).prop_map(|()| End::Exited(0, b"7".to_vec())),
        (0i32..70).prop_map(End::Signalled),
        Just(()).prop_map(|()| End::OutOfTime("30s".to_owned())),
        any::<usize>().prop_map(End::TooMuch),
        any::<String>().prop_map(End::Broken),
    ]
}

fn is_sound((end, stderr): (End, String)) -> Result<(), TestCaseError> {
    let ended_well = matches!(end, End::Exited(0, _));
    match of("program", end, &Words::from(stderr.as_str()), &Classes::default(), &Secrets::default()) {
        Ok(output) => prop_assert!(ended_well && output == b"7"),
        Err(failure) => {
            prop_assert!(failure.class().is_returned_by_stages(), "{}", failure);
            prop_assert!(failure.message().len() < 10_000);
            let detail = failure.detail_json().expect("what it said");
            prop_assert!(serde_json::from_str::<Value>(&detail).is_ok() && !detail.contains("\\u0000"), "{}", detail);
            // Only who names a class fails with status 0.
            prop_assert!(!ended_well || stderr.contains("\"class\""), "{}", failure);
        }
    }
    Ok(())
}

#[test]
fn there_is_a_verdict_whatever_a_program_says() {
    fuzz::shortly((ends(), fuzz::pieces(PIECES, 10)), is_sound);
}

#[test]
#[ignore = "a minute"]
fn fuzz_the_verdict_line() {
    fuzz::for_a_minute((ends(), fuzz::pieces(PIECES, 30)), is_sound);
}
