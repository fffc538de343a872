//! No file does harm, and a valid one comes back from the database as it was.

use std::time::Instant;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

#[test]
fn a_file_over_a_limit_is_one_mistake_and_is_told_quickly() {
    let begun = Instant::now();
    let stages = |count: usize| (0..count).map(|i| format!("[stages.S{i}]\nneeds = ['x']\n")).collect::<String>();
    assert_snapshot!(brief(&format!("name = 'story'\n{}", stages(10_000))), @r"
    1002:9 the workflow has 10000 stages, over the limit of 500: the first stage over the limit
          divide it into several workflows, or use `for_each` for stages that differ in their input only
    ");
    assert_snapshot!(brief(&"#".repeat(2 << 20)), @r"
    1:1 the file has more than 1048576 bytes
          a workflow file holds the graph only; keep data in the run's input, and that of tests in JSON files
    ");
    let needs = "'a',".repeat(201);
    assert_snapshot!(stage(&format!("needs = [{needs}]")), @r"
    6:810 stage `b` needs 201 stages, over the limit of 200: the first need over the limit
          let stages in between gather their outputs, or use `for_each`: it counts as one need
    ");
    assert_eq!(
        parse(&format!("name = 'story'\n{}", stages(500))).expect_err("bad").to_json().as_array().map(Vec::len),
        Some(1500)
    );
    assert!(begun.elapsed().as_secs() < 20);
}

#[test]
fn deep_or_endless_nesting_is_a_mistake_and_not_a_crash() {
    let begun = Instant::now();
    let (open, close) = ("[".repeat(10_000), "]".repeat(10_000));
    assert_snapshot!(brief(&format!("name = 'story'\nx = {open}{close}\n")), @r"
    2:85 keys or values are nested too deep
          a workflow file needs no more than [stages.<name>] and its keys
    ");
    assert_snapshot!(brief(&format!("name = 'story'\nx{} = 1\n", ".x".repeat(10_000))), @r"
    2:1 keys or values are nested too deep
          a workflow file needs no more than [stages.<name>] and its keys
    ");
    let key = format!("x{}", ".x".repeat(79));
    let inline = format!("{}1{}", format!("{{ {key} = ").repeat(79), "}".repeat(79));
    let deepest = format!("[{key}]\ny = {inline}\ny = {inline}\n");
    for text in ["[", "x = [\n", "= ", "\"", "a.", "[a]\n", "a=1\n", "x={", "[[a]]\n", "'\n", "a=[\n]\n"] {
        assert!(parse(&text.repeat((1 << 20) / text.len())).expect_err("bad").to_string().len() < 100_000, "{text}");
    }
    assert!(parse(&deepest).is_err());
    assert!(begun.elapsed().as_secs() < 60);
}

/// A right workflow file: each stage needs some of those before it.
fn files() -> impl Strategy<Value = String> {
    let stage = (any::<u64>(), 0..4usize, 1..100_000u32, "[a-zA-Z_]{1,8}");
    ("[a-z][a-z0-9_-]{0,62}", proptest::option::of("[ -~äöü\t\n]{1,20}x"), proptest::collection::vec(stage, 1..12))
        .prop_map(|(name, description, stages)| {
            let mut text = format!("name = {name:?}\n");
            if let Some(description) = description {
                text += &format!("description = {}\n", serde_json::to_string(&description).expect("a string"));
            }
            let mut fanned = Vec::new();
            for (at, (bits, for_each, timeout, key)) in stages.into_iter().enumerate() {
                let needs: Vec<usize> = (0..at).filter(|need| bits >> need & 1 == 1).collect();
                let for_each = match (for_each, needs.first()) {
                    (1, _) => Some(format!("input.{key}")),
                    (2, Some(need)) if !fanned.contains(need) => Some(format!("s{need}.{key}.{key}")),
                    (3, Some(need)) => Some(format!("s{need}")),
                    _ => None,
                };
                let needs: Vec<String> = needs.iter().map(|need| format!("s{need}")).collect();
                text += &format!("[stages.s{at}]\nrust = {key:?}\nneeds = {needs:?}\ntimeout = '{timeout}ms'\n");
                if let Some(place) = for_each {
                    fanned.push(at);
                    text += &format!("for_each = '{place}'\n");
                }
            }
            text
        })
}

proptest! {
    #[test]
    fn a_right_file_comes_back_from_the_database_as_it_was(text in files()) {
        let workflow = parse(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let back = Workflow::from_json(&workflow.to_json()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(back.digest(), workflow.digest());
        prop_assert_eq!(&back, &workflow);
        let order = workflow.topological();
        prop_assert_eq!(order.len(), workflow.stages.len());
        for (place, index) in order.iter().enumerate() {
            let stage = workflow.stage(*index).expect("in range");
            prop_assert!(stage.needs.iter().all(|need| order[..place].contains(need)));
        }
        prop_assert_eq!(workflow.graph_text().lines().count(), workflow.stages.len());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(mistakes) = Workflow::parse("f", &bytes, &Limits::default()) {
            prop_assert!(mistakes.to_string().starts_with("error: "));
        }
    }

    #[test]
    fn no_damage_to_a_right_file_panics(text in files(), at in any::<prop::sample::Index>(), with in "[\\[\\]{}\"'=.,#\n\ra\u{0}é]{0,4}") {
        let mut chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len());
        chars.splice(at..(at + 3).min(chars.len()), with.chars());
        match parse(&chars.into_iter().collect::<String>()) {
            Ok(workflow) => prop_assert!(Workflow::from_json(&workflow.to_json()).is_ok()),
            Err(mistakes) => prop_assert!(mistakes.to_string().starts_with("error: ")),
        }
    }
}
