//! Files that are not TOML, or not text.

use insta::assert_snapshot;

use super::*;

#[test]
fn mistakes_of_toml_are_told_without_those_that_follow() {
    assert_snapshot!(brief("name = story\n[stages.a]\nrust = a\nneeds = 'x'"), @r#"
    1:8 a string must be in quotes
          write "story"
    3:8 a string must be in quotes
          write "a"
    4:9 `needs` must be an array of stage names: found a string
          write needs = ["x"]
    "#);
    assert_snapshot!(brief("name = 's\n[stages.a\nrust = 'a'\n[stages.b]\nrust = \"b\nneeds ="), @r#"
    1:10 this string is not closed
          write `'` at its end, on the same line
    2:10 a header is not closed
          write `]` at its end
    5:10 this string is not closed
          write `"` at its end, on the same line
    6:8 a value is missing
          write one after the `=`, such as "story"
    "#);
    assert_snapshot!(brief("name = 'story'\n[stages.a]\nneeds = ['x', 'y'\nrust = 'a'\n[stages.b]\nrust = 'b'\n"), @r"
    3:9 this array is not closed
          write `]` after its last element
    ");
    assert_snapshot!(brief("name = 'story'\n[stages.a]\nneeds = ['x' 'y']\ntimeout = 30\nrust = 'a'\n"), @r#"
    3:14 missing comma between array elements
          expected `,`
    4:11 `timeout` must be a duration in quotes: found a whole number
          write timeout = "30s" for seconds
    "#);
    assert_snapshot!(brief("name: story\nstages:\n  - a: b\n"), @r"
    1:5 a key without a value
          write key = value; TOML has `=`, not `:`
    2:8 a key without a value
          write key = value; TOML has `=`, not `:`
    3:5 a key without a value
          write key = value; TOML has `=`, not `:`
    ");
    assert_snapshot!(brief("{\"name\": \"story\"}"), @r#"
    1:1 this looks like JSON
          workflow files are TOML: write name = "story", and [stages.first] for a stage
    "#);
    assert_snapshot!(brief("name = \"st\\qory\" x\n# \u{1}\n"), @r"
    1:12 there is no such escape
          write `\\` for a backslash, or put the string in single quotes
    2:3 invalid comment character
          expected printable characters
    ");
}

#[test]
fn what_is_there_twice_is_told_once() {
    assert_snapshot!(
        brief("name = 'a'\nname = 'b'\n[stages.a]\nrust = 'a'\n[stages.a]\nrust = 'x'\ntimeout = 3\n[stages.b]\nrust = 'b'\nrust = 'c'"),
        @r#"
    2:1 the key `name` is set twice: the first one is on line 1
          remove one of the two
    5:9 there are two stages `a`: the first one is on line 3
          rename one of them, or make one of the two
    7:11 `timeout` must be a duration in quotes: found a whole number
          write timeout = "3s" for seconds
    10:1 the key `rust` is set twice: the first one is on line 9
          remove one of the two
    "#
    );
}

#[test]
fn a_line_with_two_mistakes_of_toml_tells_the_first() {
    assert_snapshot!(brief("name = 'a'\nname = 'b\n[stages.a]"), @r"
    2:1 the key `name` is set twice: the first one is on line 1
          remove one of the two
    ");
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_place() {
    let bytes = |bytes: &[u8]| Workflow::parse("f.toml", bytes, &Limits::default()).expect_err("bad").to_string();
    assert_snapshot!(bytes(b"name = 'st\xf6ry'\n"), @r"
    error: the file is not UTF-8
     --> f.toml:1:11
      |
    1 | name = 'st�ry'
      |           ^ byte 0xF6
      |
      = help: save the file as UTF-8

    1 mistake in `f.toml`
    ");
    assert_snapshot!(bytes(b"\xff\xfen\0a\0"), @r"
    error: the file is not UTF-8
     --> f.toml:1:1
      |
    1 | ��n␀a␀
      | ^ byte 0xFF
      |
      = help: the file looks like UTF-16; save it as UTF-8

    1 mistake in `f.toml`
    ");
}
