//! What keys hold, and what they should.

use insta::assert_snapshot;

use super::*;

#[test]
fn keys_that_there_are_not_are_told_with_those_that_were_meant() {
    assert_snapshot!(brief("nmae = 'story'\n[stage.a]\nrust = 'a'"), @r"
    1:1 there is no key `nmae` in a workflow file
          did you mean `name`?
    2:2 there is no key `stage` in a workflow file
          did you mean `stages`?
    ");
    assert_snapshot!(stage("need = ['a']\nretries = 3\nTimeout = '3s'"), @r"
    6:1 there is no key `need` in a stage
          did you mean `needs`?
    7:1 there is no key `retries` in a stage
          the keys of a stage are `rust`, `needs`, `first`, `when`, `optional`, `on_failure_of`, `repeat`, `for_each`, `at_least`, `missing`, `rest`, `timeout`, `concurrency`, `per_worker`, `rate`, `requires`, `retry`, `stall`, `inputs`
    8:1 there is no key `Timeout` in a stage
          did you mean `timeout`?
    ");
    assert_snapshot!(brief("name = 'story'\n[stages.a]\nruts = 'a'"), @r"
    3:1 there is no key `ruts` in a stage
          did you mean `rust`?
    ");
}

#[test]
fn keys_in_the_wrong_place_are_told_with_the_right_one() {
    assert_snapshot!(brief("name = 'story'\nneeds = []\n[stages.a]\nrust = 'a'\ndescription = 'x'"), @r"
    2:1 there is no key `needs` in a workflow file
          it belongs to a stage: write it below [stages.<name>]
    5:1 there is no key `description` in a stage
          it belongs to the workflow: write it above the first [stages.<name>]
    ");
}

#[test]
fn values_of_another_type_are_told_with_what_would_be_right() {
    assert_snapshot!(brief("name = 7\ndescription = []\nstages = 'a'"), @r#"
    1:8 `name` must be a string: found a whole number
          write name = "story"
    2:15 `description` must be a string: found an array
          write description = "What the workflow is for."
    3:10 `stages` must be tables, one for each stage: found a string
          write [stages.first] on a line of its own, and the keys of the stage below it
    "#);
    assert_snapshot!(brief("name = 'story'\n[[stages]]\nrust = 'a'"), @r"
    2:1 `stages` must be tables, one for each stage: found an array
          write [stages.first] on a line of its own, and the keys of the stage below it
    ");
    assert_snapshot!(brief("name = 'story'\nstages.a = 'b'"), @r"
    2:12 `stages` must be tables, one for each stage: found a string
          write [stages.first]
    ");
    assert_snapshot!(stage("needs = 'a'\nfor_each = 3\ntimeout = 1.5"), @r#"
    6:9 `needs` must be an array of stage names: found a string
          write needs = ["a"]
    7:12 `for_each` must be the place of an array: found a whole number
          write for_each = "check.scenes"
    8:11 `timeout` must be a duration in quotes: found a number
          write timeout = "30s"
    "#);
    assert_snapshot!(stage("needs = ['a', 3, '', ['a']]"), @r#"
    6:15 `needs` must be an array of stage names: this element is a whole number
          write needs = ["script"]
    6:18 `needs` must be an array of stage names: this element is empty
          write needs = ["script"]
    6:22 `needs` must be an array of stage names: this element is an array
          write needs = ["script"]
    "#);
    assert_snapshot!(stage("needs = { a = true }"), @r#"
    6:9 `needs` must be an array of stage names: found a table
          write needs = ["script"]
    "#);
}

#[test]
fn what_is_missing_is_told() {
    assert_snapshot!(brief(""), @r#"
    1:1 the file holds no workflow
          write name = "story", then [stages.first] and below it command = ["program", "argument"]
    "#);
    assert_snapshot!(brief("# only a comment\n"), @r#"
    1:1 the file holds no workflow
          write name = "story", then [stages.first] and below it command = ["program", "argument"]
    "#);
    assert_snapshot!(brief("description = 'x'"), @r#"
    1:1 the workflow has no name
          write name = "story" as the first line
    1:1 the workflow has no stages
          write [stages.first] and below it command = ["program", "argument"]
    "#);
    assert_snapshot!(brief("name = 'story'\n[stages]"), @r#"
    1:1 the workflow has no stages
          write [stages.first] and below it command = ["program", "argument"]
    "#);
    assert_snapshot!(brief("name = 'story'\n[stages.a]"), @r#"
    2:9 stage `a` does not say how it runs
          add command = ["program", "argument"], http = "https://…", or rust = "…", the name of a handler that is registered in your binary
    "#);
}

#[test]
fn names_are_told_with_the_nearest_good_one() {
    assert_snapshot!(brief("name = 'Story'\n[stages.'My stage']\nrust = 'a'\n[stages.input]\nrust = 'b'"), @r#"
    1:8 `Story` is no name for a workflow: a name begins with a small letter (a to z), not with `S`
          write name = "story"
    2:9 `My stage` is no name for a stage: a name begins with a small letter (a to z), not with `M`
          write [stages.my-stage]
    4:9 `input` is no name for a stage: `input` is a word of Piton's own and cannot name a stage
          choose another name, such as [stages.input-stage]
    "#);
    assert_snapshot!(brief("name = ' '\n[stages.''.x]\n[stages.'運']\nrust = 'b'"), @r#"
    1:8 `name` is empty
          write name = "story"
    2:9 `` is no name for a stage: a name cannot be empty
          choose a name such as [stages.first]
    2:9 stage `` does not say how it runs
          add command = ["program", "argument"], http = "https://…", or rust = "…", the name of a handler that is registered in your binary
    2:12 there is no key `x` in a stage
          the keys of a stage are `rust`, `command`, `http`, `sql`, `sleep`, `until`, `wait`, `workflow`, `needs`, `first`, `when`, `optional`, `on_failure_of`, `repeat`, `for_each`, `at_least`, `missing`, `rest`, `timeout`, `concurrency`, `per_worker`, `rate`, `requires`, `retry`
    3:9 `運` is no name for a stage: a name begins with a small letter (a to z), not with `運`
          choose a name such as [stages.first]
    "#);
}

#[test]
fn durations_are_told_with_one_that_is_right() {
    assert_snapshot!(stage("timeout = '30'"), @r#"
    6:11 `30` is no timeout
          a unit is missing after 30; write "30s" for seconds, or use ms, m, h or d
    "#);
    assert_snapshot!(stage("timeout = '0s'"), @r#"
    6:11 `0s` is no timeout
          it must be longer than nothing; write at least "1ms"
    "#);
    assert_snapshot!(stage("timeout = '90d'"), @r#"
    6:11 `90d` is no timeout
          it must not be longer than 30 days; write at most "30d"
    "#);
    assert_snapshot!(stage("timeout = ''"), @r#"
    6:11 `timeout` is empty
          write timeout = "30s", or remove the line
    "#);
}

#[test]
fn characters_that_nobody_can_see_are_told() {
    assert_snapshot!(brief("name = \"a\\u0000\"\ndescription = \"two\\nlines, \\u001b[31mred\""), @r#"
    1:1 the workflow has no stages
          write [stages.first] and below it command = ["program", "argument"]
    1:8 `name` holds a NUL character
          remove it
    2:15 `description` holds the control character U+001B
          remove it
    "#);
    assert_snapshot!(stage("needs = [\"a\\u0000\"]\nfor_each = \"a\\u0007\""), @r"
    6:10 `needs` holds a NUL character
          remove it
    7:12 `for_each` holds the control character U+0007
          remove it
    ");
}
