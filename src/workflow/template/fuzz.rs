//! Templates are read as they were written, or refused with what would be right.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::model::fuzz;

const PIECES: &[&str] = &[
    "${",
    "$${",
    "$",
    "{",
    "{{",
    "{{{{",
    "}",
    "}}",
    "}}}}",
    "item",
    "input",
    ".",
    "..",
    "a",
    "0",
    "API_KEY",
    "run",
    " ",
    "|",
    "\"en\"",
    "\\",
    "\0",
    "é",
    "[",
    "*",
    "'",
    "{{item.name}}",
    "${HOME}",
];

fn is_read_or_refused(text: String) -> Result<(), TestCaseError> {
    match Template::parse(&text) {
        Ok(template) => {
            prop_assert_eq!(template.as_str(), &text);
            prop_assert!(template.variables().all(is_variable));
            prop_assert!(template.places().all(|place| !place.head.is_empty()));
            let back: Template =
                serde_json::from_str(&serde_json::to_string(&template).expect("JSON")).expect("a template");
            prop_assert_eq!(back, template);
            // What is characters only is filled in without asking anybody.
            let plain = text.replace("$${", "").replace("{{{{", "");
            if !plain.contains("${") && !plain.contains("{{") {
                let template = Template::parse(&text).expect("a template");
                prop_assert!(template.variables().next().is_none() && template.places().next().is_none());
            }
        }
        Err(refused) => {
            let said = refused.to_string();
            prop_assert!(said.len() < 400 && !said.contains(char::is_control), "{:?}", said);
        }
    }
    Ok(())
}

#[test]
fn a_template_is_read_or_refused() {
    fuzz::shortly(fuzz::pieces(PIECES, 10), is_read_or_refused);
}

#[test]
#[ignore = "a minute"]
fn fuzz_templates() {
    fuzz::for_a_minute(fuzz::pieces(PIECES, 40), is_read_or_refused);
}
