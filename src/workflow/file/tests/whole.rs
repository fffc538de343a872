//! A whole file, right or wrong, as its author sees it.

use insta::assert_snapshot;

use super::*;

#[test]
fn the_smallest_workflow_is_three_lines() {
    let workflow = parse("name = 'story'\n[stages.first]\nrust = 'first'").expect("a workflow");
    assert_eq!(workflow.name.as_str(), "story");
    assert_eq!(workflow.stages.iter().map(|stage| stage.name.as_str()).collect::<Vec<_>>(), ["first"]);
}

#[test]
fn ten_mistakes_are_told_at_once() {
    let text = r#"name = "My Story"
descripton = "Turns a topic into a video."

[stages.script]
rust = "script"
timeout = 30

[stages.check]
needs = "script"

[stages.critic]
rust = "critic"
command = ["critic"]
needs = ["chek"]

[stages.narration]
rust = "narration"
needs = ["critic", "picture"]
for_each = "script.scenes"

[stages.picture]
rust = "picture"
needs = ["narration", "narration"]
timeout = "soon"

[stages.end]
rust = ""
"#;
    assert_snapshot!(parse(text).expect_err("mistakes"), @r#"
    error: `My Story` is no name for a workflow
     --> story.toml:1:8
      |
    1 | name = "My Story"
      |        ^^^^^^^^^^ a name begins with a small letter (a to z), not with `M`
      |
      = help: write name = "my-story"

    error: there is no key `descripton` in a workflow file
     --> story.toml:2:1
      |
    2 | descripton = "Turns a topic into a video."
      | ^^^^^^^^^^
      |
      = help: did you mean `description`?

    error: `timeout` must be a duration in quotes
     --> story.toml:6:11
      |
    6 | timeout = 30
      |           ^^ found a whole number
      |
      = help: write timeout = "30s" for seconds

    error: stage `check` does not say how it runs
     --> story.toml:8:9
      |
    8 | [stages.check]
      |         ^^^^^
      |
      = help: add command = ["program", "argument"], http = "https://…", or rust = "…", the name of a handler that is registered in your binary

    error: `needs` must be an array of stage names
     --> story.toml:9:9
      |
    9 | needs = "script"
      |         ^^^^^^^^ found a string
      |
      = help: write needs = ["script"]

    error: stage `critic` says twice how it runs
      --> story.toml:13:1
       |
    13 | command = ["critic"]
       | ^^^^^^^ `rust` was given already
       |
       = help: keep one of the two; a stage runs in one way

    error: there is no stage `chek`
      --> story.toml:14:10
       |
    14 | needs = ["chek"]
       |          ^^^^^^
       |
       = help: did you mean `check`?

    error: stages need each other in a circle: narration → picture → narration
      --> story.toml:18:20
       |
    18 | needs = ["critic", "picture"]
       |                    ^^^^^^^^^ `narration` needs `picture`
       |
       = help: take one of these needs away, so that one of the stages can start

    error: `for_each` reads the output of `script`, which is not among the needs
      --> story.toml:19:12
       |
    19 | for_each = "script.scenes"
       |            ^^^^^^^^^^^^^^^
       |
       = help: write needs = ["critic", "picture", "script"]

    error: stage `picture` needs `narration` twice
      --> story.toml:23:23
       |
    23 | needs = ["narration", "narration"]
       |                       ^^^^^^^^^^^
       |
       = help: name each stage once

    error: `soon` is no timeout
      --> story.toml:24:11
       |
    24 | timeout = "soon"
       |           ^^^^^^
       |
       = help: write a number and a unit (ms, s, m, h or d), such as "250ms", "30s", "5m" or "1h30m"

    error: `end` is no name for a stage
      --> story.toml:26:9
       |
    26 | [stages.end]
       |         ^^^ `end` is a word of Piton's own and cannot name a stage
       |
       = help: choose another name, such as [stages.end-stage]

    error: `rust` is empty
      --> story.toml:27:8
       |
    27 | rust = ""
       |        ^^
       |
       = help: write rust = "script"

    13 mistakes in `story.toml`
    "#);
}
