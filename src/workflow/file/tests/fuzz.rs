//! Whole workflow files with some damage: each is valid, or every mistake has its place and its cure.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::Value;

use super::*;
use crate::model::fuzz;

/// Files with every key there is.
const FILES: &[&str] = &[
    include_str!("../../../cli/workflows/starters/words.toml"),
    include_str!("../../../cli/workflows/starters/media.toml"),
    include_str!("../../../cli/workflows/starters/http.toml"),
    "name = 'a'\ndescription = \"\"\"two\nlines\"\"\"\nretry = { max_retries = 3, unknown = { base = '1s', cap = '1m', jitter = 0.5, retry_after = false } }\n\
     [stages.s]\ncommand = ['x', '{{item.a}}', '${HOME}']\nfor_each = 'input.list'\nenv = { A = 'b' }\npass_env = ['C']\ndir = '/tmp'\nmemory = '1GiB'\noutput = 'text'\n\
     [stages.t]\nhttp = 'https://example.com/{{s}}'\nneeds = ['s']\nheaders = { a = 'b' }\nfiles = { f = 's' }\nmethod = 'PUT'\nredirects = 3\nconnect_timeout = '1s'\n\
     [stages.u]\nrust = 'u'\nneeds = ['s', 't']\ninputs = 'file'\ntimeout = '5s'\nconcurrency = 3\nper_worker = 2\nrate = '60/1m'\nrequires = ['a', '${B}/c']\n",
];

const PIECES: &[&str] = &[
    "[stages.a]",
    "\n",
    "=",
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "[[",
    "{",
    "}",
    ",",
    ".",
    "#",
    "needs",
    "for_each",
    "inputs",
    "timeout",
    "name",
    "retry",
    "command",
    "http",
    "rust",
    "{{",
    "}}",
    "${",
    "0x1",
    "1e9",
    "-1",
    "true",
    "1979-05-27",
    "\\",
    "\\u0000",
    "\u{0}",
    "\u{feff}",
    "é",
    "\t",
    "\r",
];

/// As `workflows new` writes the first of them.
fn named(text: &str) -> String {
    text.replace("NAME", "story")
}

fn files() -> impl Strategy<Value = String> {
    prop::sample::select(FILES).prop_flat_map(|text| fuzz::damaged(named(text), PIECES))
}

fn is_right_or_told(text: String) -> Result<(), TestCaseError> {
    match parse(&text) {
        Ok(workflow) => {
            let back = Workflow::from_json(&workflow.to_json()).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(&back, &workflow);
            prop_assert!(workflow.graph_text().lines().count() >= workflow.stages.len());
        }
        Err(mistakes) => {
            let (shown, told) = (mistakes.to_string(), mistakes.to_json());
            prop_assert!(shown.starts_with("error: "), "{}", shown);
            prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{:?}", shown);
            for mistake in told.as_array().expect("a list") {
                let has = |key: &str| mistake[key].as_str().is_some_and(|text| !text.trim().is_empty());
                prop_assert!(has("message") && has("help"), "{}", mistake);
                let lines = text.lines().count() as u64;
                prop_assert!(
                    mistake["line"].as_u64().is_some_and(|line| (1..=lines + 1).contains(&line)),
                    "{}",
                    mistake
                );
                prop_assert!(mistake["column"].as_u64().is_some_and(|column| column >= 1));
            }
            prop_assert!(told != Value::Array(Vec::new()));
        }
    }
    Ok(())
}

#[test]
fn the_files_are_right_before_they_are_damaged() {
    for text in FILES {
        parse(&named(text)).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    }
}

#[test]
fn a_damaged_file_is_right_or_told() {
    fuzz::shortly(files(), is_right_or_told);
}

#[test]
#[ignore = "a minute"]
fn fuzz_workflow_files() {
    fuzz::for_a_minute(files(), is_right_or_told);
}
