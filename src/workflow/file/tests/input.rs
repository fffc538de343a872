//! What a file may declare about its runs' input.

use insta::assert_snapshot;

use super::*;

/// The mistakes of a file that declares this, with stages below it.
fn declared(input: &str, stages: &str) -> String {
    brief(&format!("name = 'story'\n[input]\n{input}\n{stages}"))
}

const STAGE: &str = "[stages.a]\nrust = 'a'";

#[test]
fn every_key_of_an_input_is_understood() {
    let text = r#"
        name = "story"
        [input]
        topic = "string"
        lang = { type = "string", default = "en" }
        size = { type = "number", default = 1.10, description = "In MB." }
        many = { type = "integer", default = 0x1F }
        deep = { type = "object", default = { b = [1_000, true], a = "\u00e9\"" } }
        "a b" = { type = "any", required = false }
        [stages.a]
        for_each = "input.deep.b"
        command = ["echo", "{{input.lang}}", "{{input.a b | 'x'}}"]"#;
    let text = text.replace("{{input.a b | 'x'}}", "{{input.deep.a}}");
    let workflow = parse(&text).expect("a workflow");
    let input = serde_json::to_value(&workflow).expect("JSON")["input"].clone();
    assert_snapshot!(format!("{input:#}"), @r#"
    [
      {
        "key": "a b",
        "optional": true,
        "type": "any"
      },
      {
        "default": "{\"b\":[1000,true],\"a\":\"é\\\"\"}",
        "key": "deep",
        "type": "object"
      },
      {
        "default": "\"en\"",
        "key": "lang",
        "type": "string"
      },
      {
        "default": "31",
        "key": "many",
        "type": "integer"
      },
      {
        "default": "1.10",
        "description": "In MB.",
        "key": "size",
        "type": "number"
      },
      {
        "key": "topic",
        "type": "string"
      }
    ]
    "#);
    assert_eq!(Workflow::from_json(&workflow.to_json()).as_ref(), Ok(&workflow));
}

#[test]
fn a_key_that_cannot_be_declared_so_is_told() {
    assert_snapshot!(declared("a = 'strng'\nb = 3\nc = { required = false }\nd = { type = 'integer', default = 1.5 }", STAGE), @r#"
    3:5 `strng` is no type
          did you mean "string"?
    4:5 `type` must be the name of a type in quotes: found a whole number
          write type = "string"
    5:1 `c` has no type
          add type = "string"; the types are string, number, integer, boolean, array, object, any
    6:35 the default of `d` is a number, and `d` is a whole number
          write another default, or another type
    "#);
    assert_snapshot!(declared("a = { type = 'any', default = 2026-11-28 }\nb = { type = 'any', default = [nan] }\nc = { type = 'any', default = 1, required = true, one_of = [1] }", STAGE), @r"
    3:31 `default` is nothing that JSON has: put dates and times in quotes
          write another value
    4:32 `default` is nothing that JSON has: it is no number that can be written down
          write another value
    5:31 `c` has a default, so it may be left out
          remove `default`, or `required = true`
    5:51 there is no key `one_of` in the table of an input key
          the keys of the table of an input key are `type`, `required`, `default`, `description`
    ");
}

#[test]
fn places_that_no_input_has_for_certain_are_told() {
    let input =
        "topic = 'string'\nfiles = { type = 'array', required = false }\nnote = { type = 'string', required = false }";
    let stages = "[stages.a]\ncommand = ['a', '{{input.topc}}', '{{input.topic.first}}', '{{input.note}}', '{{input.note | \"\"}}', '{{input}}']
[stages.b]\nrust = 'b'\nfor_each = 'input.topic'
[stages.c]\nrust = 'c'\nfor_each = 'input.files'
[stages.d]\nrust = 'd'\nfor_each = 'input'
[stages.e]\nrust = 'e'\nfor_each = 'input.fils'";
    assert_snapshot!(declared(input, stages), @r#"
    7:17 `input.topc` is not among the keys of [input]
          did you mean `input.topic`?
    7:35 `input.topic` is a string, and nothing is inside of it
          name it alone
    7:60 `input.note` may be left out
          give it a default below [input], or write {{input.note | "…"}}
    10:12 `input.topic` is a string, and `for_each` names an array
          name another place, or declare it below [input] as an array
    13:12 `input.files` may be left out
          give it a default below [input], such as default = []
    16:12 `input` is an object, by [input], and no array
          name the key that holds the array, such as "input.files"
    19:12 `input.fils` is not among the keys of [input]
          did you mean `input.files`?
    "#);
}
