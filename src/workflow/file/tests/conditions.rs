//! What a file may say of conditions, and of needs that may have been skipped.

use insta::assert_snapshot;

use super::*;

const CHECK: &str = "name = 'media'\ninput = { lang = 'string', n = 'integer', note = { type = 'string', required = false } }\n\
                     [stages.check]\nrust = 'check'\n[stages.scan-pages]\nrust = 'scan'\n";

/// The mistakes of a stage with these lines behind two others.
fn stage(lines: &str) -> String {
    brief(&format!("{CHECK}[stages.a]\n{lines}"))
}

fn when(condition: &str) -> String {
    stage(&format!("rust = 'a'\nneeds = ['check?', 'scan-pages']\nwhen = \"{condition}\""))
}

#[test]
fn a_condition_and_an_accepted_skip_are_part_of_the_definition() {
    let text = format!("{CHECK}[stages.a]\nrust = 'a'\nneeds = ['check?', 'scan-pages']\nwhen = 'scan_pages.n > 1'");
    let workflow = parse(&text).expect("a workflow");
    let stored = workflow.to_json();
    assert!(stored.contains(r#""needs":[0,1],"accepts_skipped":[0],"when":"scan_pages.n > 1""#), "{stored}");
    assert_eq!(Workflow::from_json(&stored), Ok(workflow));
    for damaged in [stored.replace("[0],\"when\"", "[2],\"when\""), stored.replace("scan_pages.n", "other.n")] {
        let said = Workflow::from_json(&damaged).expect_err("damaged").to_string();
        assert!(said.starts_with("the condition of stage `a` reads what the stage does not have"), "{said}");
    }
}

/// Each with what is wrong with it.
fn told(lines: &[&str], stage: impl Fn(&str) -> String) -> String {
    lines.iter().map(|line| format!("{line}\n{}", stage(line))).collect()
}

#[test]
fn a_condition_reads_what_its_stage_has() {
    let right = "has(input.note) && input.note == 'x' && check != null && check.x == 1 && scan_pages.n == 2";
    let file = format!("{CHECK}[stages.a]\nrust = 'a'\nneeds = ['check?', 'scan-pages']\nwhen = \"{right}\"");
    assert!(parse(&file).is_ok());
    let conditions = [
        "item.x == 1",
        "scan-pages.n == 2",
        "chek.x == 1",
        "check.x == 1",
        "input.zap",
        "input.note == 'x'",
        "input.n == '3'",
        "size(input.lang)",
    ];
    assert_snapshot!(told(&conditions, when), @r#"
    item.x == 1
    10:8 `a` has no `item`: it is not fanned out
          add for_each = "…", the place of an array, or read from `input`
    scan-pages.n == 2
    10:8 a condition takes the `-` of `scan-pages` for a minus
          write scan_pages
    chek.x == 1
    10:8 `chek.x` is in no input of stage `a`
          did you mean `check`?
    check.x == 1
    10:8 `check` may be skipped, and is null then: it has no `x`
          ask first: check != null && …
    input.zap
    10:8 `input.zap` is not among the keys of [input]
          declare it below [input], such as zap = "string"
    input.note == 'x'
    10:8 `input.note` may be left out
          ask first: has(input.note) && …; or give it a default below [input]
    input.n == '3'
    10:8 `input.n` is a whole number, and is compared with a text
          compare it with a value of its own type
    size(input.lang)
    10:8 `when` is no condition
          it is a number, and not true or false; compare it with something
    "#);
    let stages = [
        "command = ['x']\nneeds = ['check']\nwhen = 'check.x == 1'\ninputs = 'file'",
        "rust = 'a'\nwhen = 'check.x == 1'",
        "rust = 'a'\nwhen = true",
        "rust = 'a'\nneeds = ['check?', 'check']",
        "rust = 'a'\nneeds = ['check?', 'no?']",
    ];
    assert_snapshot!(told(&stages, stage), @r#"
    command = ['x']
    needs = ['check']
    when = 'check.x == 1'
    inputs = 'file'
    10:8 `check.x` is in a file: the stage has inputs = "file"
          a condition reads no files: let the stage before it decide, and need that one for its answer
    rust = 'a'
    when = 'check.x == 1'
    9:8 stage `a` reads the output of `check`, which is not among its needs
          add "check" to needs
    rust = 'a'
    when = true
    9:8 `when` must be a condition in quotes: found true or false
          write when = "check.score >= 0.8"
    rust = 'a'
    needs = ['check?', 'check']
    9:20 stage `a` needs `check` twice
          name each stage once
    rust = 'a'
    needs = ['check?', 'no?']
    9:20 there is no stage `no`
          the other stages are `check`, `scan-pages`
    "#);
}

#[test]
fn a_text_says_what_stands_where_a_need_was_skipped() {
    let lines = |text: &str| format!("command = ['x', '{text}']\nneeds = ['check?', 'scan-pages']");
    assert!(parse(&format!("{CHECK}[stages.a]\n{}", lines("{{check.url | \"\"}} {{scan-pages.n}}"))).is_ok());
    let texts = ["{{check.url}}", "{{check}}", "{{file:check/a.txt}}", "{{file:check.picture}}"];
    assert_snapshot!(told(&texts, |text| stage(&lines(text))), @r#"
    {{check.url}}
    8:17 `check` may be skipped, and then there is no `check.url`
          say what stands there then: {{check.url | ""}}
    {{check}}
    8:17 `check` may be skipped, and then there is no `check`
          say what stands there then: {{check | ""}}
    {{file:check/a.txt}}
    8:17 `check` may be skipped, and then it keeps no files
          write "check" among the needs, without the `?`, or let the stage look for its files itself
    {{file:check.picture}}
    8:17 `check` may be skipped, and then it keeps no files
          write "check" among the needs, without the `?`, or let the stage look for its files itself
    "#);
}
