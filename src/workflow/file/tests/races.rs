//! What a file may say of a stage that begins with the first of its needs.

use insta::assert_snapshot;

use super::*;

const RACERS: &str =
    "name = 'find'\n[stages.a]\nrust = 'a'\n[stages.b]\nrust = 'b'\n[stages.c]\nrust = 'c'\nfor_each = 'input'\n";

/// The mistakes of a stage with these lines behind three others.
fn stage(lines: &str) -> String {
    brief(&format!("{RACERS}[stages.pick]\nrust = 'pick'\n{lines}"))
}

#[test]
fn a_race_is_part_of_the_definition() {
    let text = format!("{RACERS}[stages.pick]\nrust = 'pick'\nneeds = ['a', 'b']\nfirst = 1");
    let workflow = parse(&text).expect("a workflow");
    let stored = workflow.to_json();
    assert!(stored.contains(r#""name":"pick","needs":[0,1],"first":1,"kind""#), "{stored}");
    assert_eq!(Workflow::from_json(&stored), Ok(workflow));
    for (from, to) in
        [("\"first\":1", "\"first\":2"), ("\"first\":1", "\"first\":0"), ("[0,1]", "[0,2]"), ("[0,1]", "[0]")]
    {
        let said = Workflow::from_json(&stored.replace(from, to)).expect_err("damaged").to_string();
        assert!(said.starts_with("stage `pick` does not begin with some of its needs"), "{said}");
    }
}

#[test]
fn what_is_wrong_with_a_race_is_told_with_its_cure() {
    assert_snapshot!(stage("needs = ['a']\nfirst = 1"), @r#"
    12:9 stage `pick` begins with the first of several stages, and needs 1
          name those that race in needs, such as needs = ["fast", "safe"]; or remove the line
    "#);
    assert_snapshot!(stage("needs = ['a', 'b']\nfirst = 2"), @r"
    12:9 stage `pick` begins with the first 2 of 2 stages: none of them is stopped
          write first = 1, or remove the line
    ");
    assert_snapshot!(stage("needs = ['a?', 'b']\nfirst = 1"), @r#"
    11:10 `a` races, and may be stopped anyway
          write "a", without the `?`
    "#);
    assert_snapshot!(stage("needs = ['a', 'c']\nfirst = 1"), @r"
    11:15 `c` is fanned out, and only whole stages race
          gather its items in a stage behind it, and let that one race for pick
    ");
    assert_snapshot!(stage("needs = ['a', 'b']\nfirst = 1\n[stages.z]\nrust = 'z'\nneeds = ['a']"), @r"
    11:10 `a` races for `pick` and may be stopped, and stage `z` needs it too
          let z need pick, or give it a stage of its own
    ");
    assert_snapshot!(
        brief(&format!("{RACERS}[stages.pick]\ncommand = ['x', '{{{{a.url}}}}']\nneeds = ['a', 'b']\nfirst = 1")),
        @r#"
    10:17 `a` may be skipped, and then there is no `a.url`
          say what stands there then: {{a.url | ""}}
    "#
    );
}
