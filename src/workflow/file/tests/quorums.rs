//! What a file may say of a fan-out that is content with a part of its items.

use insta::assert_snapshot;

use super::*;

/// The mistakes of a stage with these lines behind one that makes an array.
fn stage(lines: &str) -> String {
    brief(&format!("name = 'film'\n[stages.plan]\nrust = 'plan'\n[stages.render]\nrust = 'render'\n{lines}"))
}

#[test]
fn a_quorum_is_part_of_the_definition() {
    let stored = |lines: &str| {
        let text = format!("name = 'film'\n[stages.render]\nrust = 'render'\nfor_each = 'input'\n{lines}");
        let workflow = parse(&text).expect("a workflow");
        assert_eq!(Workflow::from_json(&workflow.to_json()).as_ref(), Ok(&workflow));
        workflow.to_json()
    };
    let all = stored("at_least = 0.9\nmissing = { ok = false }\nrest = 'cancel'");
    assert!(
        all.contains(r#""quorum":{"at_least":{"millionths":900000},"missing":"{\"ok\":false}","rest":"cancel"}"#),
        "{all}"
    );
    let one = stored("at_least = 1");
    assert!(one.contains(r#""quorum":{"at_least":{"items":1}}"#), "one item: {one}");
    assert!(stored("at_least = 1.0").contains(r#""millionths":1000000"#), "all items");
    for (from, to) in [("900000", "1000001"), ("900000", "0"), ("false}", "false"), (r#""for_each""#, r#""when""#)] {
        assert!(Workflow::from_json(&all.replace(from, to)).is_err(), "{to}");
    }
}

#[test]
fn what_is_wrong_with_a_quorum_is_told_with_its_cure() {
    let over = "needs = ['plan']\nfor_each = 'plan.scenes'\n";
    assert_snapshot!(stage("at_least = 0.9"), @r#"
    6:12 stage `render` has no items: it is not fanned out
          add for_each = "…", the place of an array; for a stage that may be given up, write optional = true
    "#);
    assert_snapshot!(stage(&format!("{over}missing = 0\nrest = 'cancel'")), @r"
    8:11 `missing` means nothing for stage `render`: all of its items must be done
          say how many must be done, such as at_least = 0.9; or remove the line
    9:8 `rest` means nothing for stage `render`: all of its items must be done
          say how many must be done, such as at_least = 0.9; or remove the line
    ");
    assert_snapshot!(stage(&format!("{over}at_least = 3\noptional = true")), @r"
    8:12 stage `render` is optional, so that any number of its items may be given up
          keep one of `optional` and `at_least`
    ");
    assert_snapshot!(stage(&format!("{over}at_least = 1.5")), @r"
    8:12 `at_least` must be a share above 0 and up to 1, or a whole number from 1
          write at_least = 0.9; a share has six digits behind the point at most
    ");
    assert_snapshot!(stage(&format!("{over}at_least = 0")), @r"
    8:12 `at_least` must be a share above 0 and up to 1, or a whole number from 1
          write at_least = 0.9; a share has six digits behind the point at most
    ");
    assert_snapshot!(stage(&format!("{over}at_least = '90%'")), @r"
    8:12 `at_least` must be a share above 0 and up to 1, or a whole number from 1: found a string
          write at_least = 0.9
    ");
    assert_snapshot!(stage(&format!("{over}at_least = 3\nrest = 'stop'")), @r#"
    9:8 `stop` is no rest
          write one of "wait", "cancel"
    "#);
}
