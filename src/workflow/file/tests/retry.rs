//! Rules for retries.

use insta::assert_snapshot;

use super::*;

fn retry(text: &str) -> String {
    brief(&format!("name = 'story'\n[retry]\n{text}\n[stages.a]\nrust = 'a'"))
}

#[test]
fn rules_of_a_workflow_and_of_a_stage_are_understood() {
    let text = "name = 'story'
        [retry]
        max_retries = 4
        deadline = '1h'
        rate_limited = { max_retries = 8, base = '10s', cap = '10m', jitter = 0.5, retry_after = false }
        [stages.a]
        rust = 'a'
        [stages.a.retry]
        invalid_input = { max_retries = 1 }";
    let workflow = parse(text).expect("a workflow");
    assert_snapshot!(workflow.to_json(), @r#"{"name":"story","retry":{"max_retries":4,"deadline_ms":3600000,"classes":{"rate_limited":{"max_retries":8,"base_ms":10000,"cap_ms":600000,"jitter":0.5,"retry_after":false}}},"stages":[{"name":"a","needs":[],"kind":{"rust":{"handler":"a"}},"timeout_ms":300000,"retry":{"classes":{"invalid_input":{"max_retries":1}}}}]}"#);
    assert_eq!(Workflow::from_json(&workflow.to_json()).as_ref(), Ok(&workflow));
}

#[test]
fn rules_that_cannot_be_followed_are_told() {
    assert_snapshot!(retry("max_retry = 3\nrate_limit = {}\nbase = '2s'\ncrashed = {}"), @r"
    3:1 there is no key `max_retry` in `retry`
          did you mean `max_retries`?
    4:1 there is no key `rate_limit` in `retry`
          did you mean `rate_limited`?
    5:1 there is no key `base` in `retry`
          it belongs to a class: write it in a table such as rate_limited = { … }
    6:1 there are no rules for `crashed`
          remove it; Piton itself decides what follows
    ");
    assert_snapshot!(retry("max_retries = -1\ndeadline = 60\nunknown = 3"), @r#"
    3:15 `max_retries` must be a whole number up to 10000: found -1
          write max_retries = 3
    4:12 `deadline` must be a duration in quotes: found a whole number
          write deadline = "60s" for seconds
    5:11 `unknown` must be a table of rules: found a whole number
          write unknown = { max_retries = 1, base = "10s" }
    "#);
    assert_snapshot!(retry("unknown = { base = '5s', cap = '1s' }\nrate_limited = { jitter = 2, retry_after = 'no', tries = 1 }"), @r"
    3:32 `cap` is shorter than `base`
          let `base` be the wait before the first retry, and `cap` the longest
    4:27 `jitter` must be a number from 0 to 1
          write jitter = 0.25
    4:44 `retry_after` must be true or false: found a string
          write retry_after = false
    4:50 there is no key `tries` in the rules of a class
          the keys of the rules of a class are `max_retries`, `base`, `cap`, `jitter`, `retry_after`
    ");
}
