//! How stages fit together, and how they do not.

use insta::assert_snapshot;

use super::*;

#[test]
fn a_stage_runs_in_one_way() {
    assert_snapshot!(stage("http = 'http://b'"), @r"
    6:1 stage `b` says twice how it runs: `rust` was given already
          keep one of the two; a stage runs in one way
    ");
    assert_snapshot!(brief("name = 'story'\n[stages.a]\ncomand = ['a']\nmemory = '1GB'"), @r"
    3:1 there is no key `comand` in a stage
          did you mean `command`?
    ");
    assert_snapshot!(brief("name = 'story'\n[stages.a]\ncommand = ['a']\nheaders = {}\nheader = {}"), @r"
    4:1 `headers` is for stages of the kind `http`, and `a` is of the kind `command`
          remove it
    5:1 there is no key `header` in a stage
          the keys of a stage are `command`, `needs`, `first`, `when`, `optional`, `on_failure_of`, `repeat`, `for_each`, `at_least`, `missing`, `rest`, `timeout`, `concurrency`, `per_worker`, `rate`, `requires`, `retry`, `stall`, `inputs`, `env`, `pass_env`, `dir`, `stdin`, `memory`, `finish`, `warm`, `output`, `classes`
    ");
}

#[test]
fn needs_that_cannot_be_met_are_told() {
    assert_snapshot!(stage("needs = ['b', 'a', 'a', 'aa', 'script']"), @r"
    6:10 stage `b` needs itself
          remove it, or name the stage that comes before
    6:20 stage `b` needs `a` twice
          name each stage once
    6:25 there is no stage `aa`
          did you mean `a`?
    6:31 there is no stage `script`
          the other stages are `a`
    ");
    assert_snapshot!(brief("name = 'story'\n[stages.a]\nrust = 'a'\nneeds = ['x']"), @r"
    4:10 there is no stage `x`
          there is no other stage; remove it
    ");
}

#[test]
fn a_circle_is_told_once_by_its_names() {
    let stage = |name: &str, needs: &str| format!("[stages.{name}]\nrust = 'x'\nneeds = [{needs}]\n");
    let knot = [stage("a", "'c', 'd'"), stage("b", "'a'"), stage("c", "'b'"), stage("d", ""), stage("e", "'a'")];
    assert_snapshot!(brief(&format!("name = 'story'\n{}", knot.concat())), @r"
    4:10 stages need each other in a circle: a → c → b → a: `a` needs `c`
          take one of these needs away, so that one of the stages can start
    ");
    let two = [stage("a", "'b'"), stage("b", "'a'"), stage("c", "'d'"), stage("d", "'c'")];
    assert_snapshot!(brief(&format!("name = 'story'\n{}", two.concat())), @r"
    4:10 stages need each other in a circle: a → b → a: `a` needs `b`
          take one of these needs away, so that one of the stages can start
    10:10 stages need each other in a circle: c → d → c: `c` needs `d`
          take one of these needs away, so that one of the stages can start
    ");
}

#[test]
fn a_fan_out_names_an_array_that_the_stage_can_have() {
    assert_snapshot!(stage("for_each = 'a.scenes'"), @r#"
    6:12 `for_each` reads the output of `a`, which is not among the needs
          write needs = ["a"]
    "#);
    assert_snapshot!(stage("needs = ['a']\nfor_each = 'b.scenes'"), @r"
    7:12 stage `b` is fanned out over its own output
          name the stage before it that makes the array
    ");
    assert_snapshot!(stage("needs = ['a']\nfor_each = 'inputs.scenes'"), @r"
    7:12 `for_each` reads the output of `inputs`, and there is no such stage
          the other stages are `a`; the run's input is `input`
    ");
    assert_snapshot!(stage("needs = ['a']\nfor_each = 'a..scenes'"), @r#"
    7:12 `a..scenes` is no place of an array: a name is missing before or after a dot
          write a stage, or a stage and keys with dots between them, such as "check" or "check.scenes"; [*] stands for each element of an array that holds arrays, as in "render[*].pages"
    "#);
    assert_snapshot!(stage("needs = ['a']\nfor_each = 'a.scenes[0]'"), @r#"
    7:12 `a.scenes[0]` is no place of an array: a place is made of names and dots only
          write a stage, or a stage and keys with dots between them, such as "check" or "check.scenes"; [*] stands for each element of an array that holds arrays, as in "render[*].pages"
    "#);
    assert_snapshot!(stage("needs = ['aa']\nfor_each = 'aa.scenes'"), @r"
    6:10 there is no stage `aa`
          did you mean `a`?
    ");
    assert_snapshot!(
        stage("needs = ['a']\nfor_each = 'a.x'\n[stages.c]\nrust = 'c'\nneeds = ['b']\nfor_each = 'b.y'"), @r#"
    11:12 stage `b` is itself fanned out: its output is an array, and has no keys
          write for_each = "b", or "b[*].y" for the elements of the arrays in its outputs
    "#
    );
}

#[test]
fn a_fan_out_over_a_fanned_out_stage_takes_its_outputs() {
    let text = "name = 'story'
        [stages.a]
        rust = 'a'
        for_each = 'input'
        [stages.b]
        rust = 'b'
        needs = ['a']
        for_each = 'a'";
    assert!(parse(text).is_ok());
}

#[test]
fn inputs_as_files_are_told_where_nothing_comes_of_them() {
    assert_snapshot!(stage("needs = ['a']\ninputs = 'files'"), @r#"
    7:10 `files` is no inputs
          did you mean "file"?
    "#);
    let nothing = stage("inputs = 'file'");
    assert_snapshot!(nothing, @r"
    6:10 `b` needs no stage whose output could come as a file
          remove the line; the run's input and the item are always values
    ");
    assert_eq!(stage("inputs = 'file'\nneeds = ['a']\nfor_each = 'a'"), nothing, "its items are values");
    let sent = "name = 'story'\n[stages.a]\nrust = 'a'\n[stages.b]\nhttp = 'http://x'\nneeds = ['a']\ninputs = 'file'";
    assert_snapshot!(brief(sent), @r"
    7:1 `inputs` is for stages of the kind `command`, and `b` is of the kind `http`
          remove it
    ");
    let deeper = "name = 'story'\n[stages.a]\nrust = 'a'\n[stages.b]\ncommand = ['x', '{{a}}', '{{a.0}}']\nneeds = ['a']\ninputs = 'file'";
    assert_snapshot!(brief(deeper), @r#"
    5:26 `a.0` is in a file: the stage has inputs = "file"
          write {{a}} for the name of the file, and let the stage read it
    "#);
}

#[test]
fn arrays_in_an_array_and_products_are_part_of_the_definition() {
    let stored = |for_each: &str| {
        let text = format!(
            "name = 'media'\n[stages.probe]\nrust = 'probe'\nfor_each = 'input'\n[stages.a]\nrust = 'a'\nneeds = ['probe']\nfor_each = {for_each}"
        );
        let workflow = parse(&text).expect("a workflow");
        assert_eq!(Workflow::from_json(&workflow.to_json()).as_ref(), Ok(&workflow));
        let stored = workflow.to_json();
        stored.split(r#""for_each":"#).last().unwrap().split(r#","kind""#).next().unwrap().to_owned()
    };
    assert_snapshot!(stored("'probe[*].pages'"), @r#"{"source":{"stage":0},"path":[],"within":["pages"]}"#);
    assert_snapshot!(stored("'input.books[*]'"), @r#"{"source":"input","path":["books"],"within":[]}"#);
    assert_snapshot!(stored("['probe', 'input.renditions']"), @r#"{"source":{"stage":0},"path":[],"times":[{"source":"input","path":["renditions"]}]}"#);
    assert_snapshot!(stored("'probe'"), @r#"{"source":{"stage":0},"path":[]}"#);
}

#[test]
fn what_is_wrong_with_arrays_of_items_is_told_with_its_cure() {
    let said = |for_each: &str| {
        brief(&format!(
            "name = 'media'\n[stages.probe]\nrust = 'probe'\nfor_each = 'input'\n[stages.index]\nrust = 'x'\n[stages.a]\nrust = 'a'\nneeds = ['probe', 'index']\nfor_each = {for_each}"
        ))
    };
    let all = [
        "'probe[*]pages'",
        "'probe[*].a[*].b'",
        "'probe.pages'",
        "['probe']",
        "['probe', 'probe[*].x']",
        "['input.a', 'input.b.a']",
        "[]",
        "'input.a[*].b'",
    ];
    assert_snapshot!(all.map(|for_each| format!("{for_each}\n{}", said(for_each))).concat(), @r#"
    'probe[*]pages'
    9:19 the items of `a` bring `index` along, and a stage that it needs has that name
          give that stage another name
    10:12 `probe[*]pages` is no place of an array: a place is made of names and dots only
          write a stage, or a stage and keys with dots between them, such as "check" or "check.scenes"; [*] stands for each element of an array that holds arrays, as in "render[*].pages"
    'probe[*].a[*].b'
    9:19 the items of `a` bring `index` along, and a stage that it needs has that name
          give that stage another name
    10:12 `probe[*].a[*].b` is no place of an array: more than one [*]
          let a stage before it go over the outer items
    'probe.pages'
    10:12 stage `probe` is itself fanned out: its output is an array, and has no keys
          write for_each = "probe", or "probe[*].pages" for the elements of the arrays in its outputs
    ['probe']
    9:19 the items of `a` bring `index` along, and a stage that it needs has that name
          give that stage another name
    10:13 one array is no product
          write for_each = "probe"
    ['probe', 'probe[*].x']
    9:19 the items of `a` bring `index` along, and a stage that it needs has that name
          give that stage another name
    10:22 a product is one of arrays, and none of them is flattened in it
          let a stage before it go over these items, and name that one
    ['input.a', 'input.b.a']
    9:19 the items of `a` bring `index` along, and a stage that it needs has that name
          give that stage another name
    10:24 two arrays of the product would both be `item.a`
          hand one of them on under another key
    []
    10:12 `for_each` must be the place of an array: found an array
          write for_each = "check.scenes"
    'input.a[*].b'
    9:19 the items of `a` bring `index` along, and a stage that it needs has that name
          give that stage another name
    "#);
}
