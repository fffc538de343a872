//! What a file may say of rounds, and of stages that run after a failure.

use super::*;

const ESSAY: &str = "name = 'essay'\n[stages.outline]\nrust = 'a'\n[stages.draft]\nrust = 'a'\nneeds = ['outline']\n\
                     [stages.part]\nrust = 'a'\nneeds = ['draft']\nfor_each = 'draft.parts'\n";
const CRITIC: &str = "[stages.critic]\nrust = 'a'\nneeds = ['part', 'draft']\n";
const REPEAT: &str = "repeat = { from = 'draft', until = 'critic.score > 1', at_most = 3 }\n";

fn says(text: &str, expected: &str) {
    let said = brief(text);
    assert!(said.contains(expected), "{text}\n{said}");
}

#[test]
fn rounds_are_part_of_the_definition_and_are_checked_again_where_it_is_stored() {
    let text = format!("{ESSAY}{CRITIC}{REPEAT}[stages.print]\nrust = 'a'\nneeds = ['draft', 'critic']");
    let workflow = parse(&text).expect("a workflow");
    let groups: Vec<bool> = workflow.groups().iter().map(Option::is_some).collect();
    assert_eq!(groups, [false, true, true, true, false]);
    let stored = workflow.to_json();
    assert!(stored.contains(r#""repeat":{"from":1,"until":"critic.score > 1","at_most":3,"then":"fail"}"#), "{stored}");
    assert_eq!(Workflow::from_json(&stored), Ok(workflow));
    for damaged in [stored.replace("\"from\":1", "\"from\":4"), stored.replace("\"needs\":[1,3]", "\"needs\":[1]")] {
        let said = Workflow::from_json(&damaged).expect_err("damaged").to_string();
        assert_eq!(said, "its rounds cannot be done again and again");
    }
}

#[test]
fn what_is_wrong_with_rounds_is_told_with_its_cure() {
    let critic = |repeat: &str| format!("{ESSAY}{CRITIC}repeat = {{ {repeat} }}\n");
    let right = "until = 'critic.score > 1', at_most = 3";
    for (text, expected) in [
        (critic("at_most = 3"), "`repeat` does not say what is good enough\n      add until = \"critic.score >= 0.8\""),
        (critic("until = 'critic.score > 1'"), "and might never end\n      add at_most = 5"),
        (critic("until = 'critic.score > 1', at_most = 0"), "`at_most` must be a whole number from 1 to 1000"),
        (critic(&format!("from = 'drft', {right}")), "there is no such stage\n      did you mean `draft`?"),
        (critic(&format!("form = 'draft', {right}")), "did you mean `from`?"),
        (critic("until = 'outline.x', at_most = 3"), "which is not among its needs\n      add \"outline\" to needs"),
        (
            critic("until = 'input.x', at_most = 3"),
            "`until` reads nothing that changes from round to round\n      read what",
        ),
        (
            format!(
                "{ESSAY}{CRITIC}[stages.late]\nrust = 'a'\nrepeat = {{ from = 'draft', until = 'late.x', at_most = 3 }}"
            ),
            "`repeat` begins from `draft`, which `late` does not need by any way",
        ),
        (
            format!("{ESSAY}{CRITIC}{REPEAT}[stages.print]\nrust = 'a'\nneeds = ['draft']"),
            "stage `print` needs `draft`, which each round does again\n      add \"critic\" to the needs of `print`",
        ),
        (
            format!("{ESSAY}repeat = {{ until = 'part.size() > 1', at_most = 3 }}"),
            "`part` is fanned out, and each of its items ends by itself\n      put `repeat` on a stage that needs `part`",
        ),
        (
            format!(
                "{ESSAY}{CRITIC}{REPEAT}[stages.late]\nrust = 'a'\nneeds = ['critic']\n\
                 repeat = {{ from = 'critic', until = 'late.x', at_most = 3 }}"
            ),
            "stage `critic` is part of the rounds of `critic` and of `late`",
        ),
        (
            format!("{ESSAY}{CRITIC}{REPEAT}[stages.previous]\nrust = 'a'"),
            "`previous` is the round before, in a file with `repeat`\n      give the stage another name",
        ),
    ] {
        says(&text, expected);
    }
}

#[test]
fn the_round_before_is_named_where_there_is_one_and_said_what_stands_in_its_place() {
    let judge = |lines: &str| format!("{ESSAY}[stages.critic]\nneeds = ['part']\n{lines}\n{REPEAT}");
    let text = |text: &str| judge(&format!("command = ['x', '{text}']"));
    assert!(parse(&text("{{previous.draft.text | \"\"}} {{run.round}}")).is_ok());
    says(
        &text("{{previous.draft.text}}"),
        "there is no `previous.draft.text` in the first round\n      say what stands",
    );
    says(
        &text("{{previous.outline | \"\"}}"),
        "that stage is not part of the round\n      the stages of the round are `draft`",
    );
    says(&judge("rust = 'a'\nwhen = 'previous.draft.x == 1'"), "ask first: previous != null && …");
    assert!(parse(&judge("rust = 'a'\nwhen = 'previous == null || previous.draft.x == 1'")).is_ok());
    let outline = ESSAY.replace("[stages.outline]\nrust = 'a'", "[stages.outline]\ncommand = ['x', '{{run.round}}']");
    says(&format!("{outline}{CRITIC}{REPEAT}"), "`outline` has no `run.round`: it is done once");
}

#[test]
fn a_stage_may_run_after_the_failure_of_another_one_and_knows_what_it_was() {
    let order = |lines: &str| format!("{ESSAY}[stages.refund]\n{lines}");
    let workflow =
        parse(&order("on_failure_of = 'draft'\ncommand = ['x', '{{failure.class}}', '{{failure.message}}']"));
    let stored = workflow.expect("a workflow").to_json();
    assert!(stored.contains(r#""needs":[1],"accepts_skipped":[1],"on_failure_of":1"#), "{stored}");
    for damaged in [stored.replace("\"on_failure_of\":1", "\"on_failure_of\":0"), stored.replace("[1],\"on", "[],\"on")]
    {
        assert!(Workflow::from_json(&damaged).is_err());
    }
    for (lines, expected) in [
        ("on_failure_of = 'drft'\nrust = 'a'", "there is no stage `drft`\n      did you mean `draft`?"),
        ("on_failure_of = 'refund'\nrust = 'a'", "stage `refund` would run when it fails itself"),
        ("on_failure_of = 'part'\nrust = 'a'", "stage `part` is fanned out: each of its items fails by itself"),
        ("on_failure_of = 'draft'\nneeds = ['draft']\nrust = 'a'", "remove it from the needs"),
        (
            "on_failure_of = 'draft'\ncommand = ['x', '{{draft.x}}']",
            "has no output of it\n      read failure.class and",
        ),
        ("on_failure_of = 'draft'\ncommand = ['x', '{{failure.clas}}']", "did you mean failure.class?"),
        ("rust = 'a'\nneeds = ['draft']\nwhen = 'failure.class == \"x\"'", "is in no input of stage `refund`"),
    ] {
        says(&order(lines), expected);
    }
}
