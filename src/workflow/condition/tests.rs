//! What conditions say of values, and that none can do harm.

use proptest::prelude::*;

use super::*;

/// Whether it holds over the keys of an object; what it says otherwise.
fn decided(text: &str, values: &str) -> Result<bool, String> {
    let condition = Condition::parse(text).map_err(|error| format!("no condition: {error}"))?;
    let object = json::Object::read(values).expect("an object");
    let texts: Vec<(String, String)> = ["check", "input", "item", "status", "many"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), object.get(name)?.to_owned())))
        .collect();
    let find = |name: &str| texts.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    match condition.decide(find) {
        Ok(Decision::Holds) => Ok(true),
        Ok(Decision::Fails(_)) => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

const VALUES: &str = r#"{"check": {"score": 0.8, "n": 3, "none": null, "tags": ["a", "b"], "big": 12345678901234567890123,
    "unsigned": 18446744073709551615, "far": 1e999, "long": 0.10, "deep": {"a": {"b": 1}}}, "input": {"lang": "de", "n": "3"},
    "item": [{"s": 1}, {"s": 2}], "status": "succeeded"}"#;

#[test]
fn a_condition_is_decided_on_the_values_by_name() {
    let holds = [
        "check.score >= 0.8 && input.lang in ['de', 'en']",
        "check.n == 3 && check.n == 3.0 && check.n > 2.5",
        "check['n'] == 3",
        "item.all(i, i.s > 0) && item.exists(i, i.s == 2) && item[1].s == 2",
        "item.filter(i, i.s > 1).map(i, i.s + 1) == [3]",
        "size(check.tags) == 2 && input.lang.startsWith('d') && input.lang.matches('^d.$')",
        "has(check.score) && !has(check.nothing)",
        "check.none == null",
        "status == 'succeeded'",
        "check.nothing > 1 || check.n == 3",
        "int(input.n) == check.n",
    ];
    for text in holds {
        assert_eq!(decided(text, VALUES), Ok(true), "{text}");
    }
    for text in ["check.score > 0.8", "!(status == 'succeeded')", "check.n == '3'", "check.n > 5 && check.nothing > 1"]
    {
        assert_eq!(decided(text, VALUES), Ok(false), "{text}");
    }
}

#[test]
fn no_digit_of_a_number_is_lost_where_it_is_compared() {
    for text in [
        "check.unsigned == 18446744073709551615u",
        "check.big == '12345678901234567890123'",
        "check.far == '1e999'",
        "check.long == 0.1",
    ] {
        assert_eq!(decided(text, VALUES), Ok(true), "{text}");
    }
    let said = decided("check.big > 5", VALUES).unwrap_err();
    assert!(said.contains("check.big = 12345678901234567890123"), "{said}");
}

#[test]
fn what_is_missing_is_named_and_never_false() {
    let said = |text: &str| decided(text, VALUES).unwrap_err();
    insta::assert_snapshot!(said("check.nothing > 1"), @"`check.nothing` is missing: `check` has no field `nothing`; has(check.nothing) asks whether it is there");
    insta::assert_snapshot!(said("check.deep.x.b == 1"), @"`check.deep.x` is missing: `check.deep` has no field `x`; has(check.deep.x) asks whether it is there");
    insta::assert_snapshot!(said("!has(check.score) || check.deep.a.c == 1"), @"`check.deep.a.c` is missing: `check.deep.a` has no field `c`; has(check.deep.a.c) asks whether it is there");
    insta::assert_snapshot!(said("item.all(i, i.t > 0)"), @"a value in it has no field `t`; has() asks whether it is there");
    insta::assert_snapshot!(said("many == 1"), @"there is no `many`");
    insta::assert_snapshot!(said("check.none > 1"), @"found no matching overload for '_>_' applied to '(null_type, int)': check.none = null");
    insta::assert_snapshot!(said("check.score"), @"it is a number, and not true or false");
}

#[test]
fn a_reason_has_the_expression_and_the_values_within_limits() {
    let condition = Condition::parse("check.score >= 0.8 && input.lang in ['de', 'en']").unwrap();
    let long = format!("{{\"lang\": {:?}}}", "x".repeat(1000));
    let decided = condition.decide(|name| Some(if name == "check" { "{\"score\": 0.50}" } else { &long }));
    let Ok(Decision::Fails(reason)) = decided else { panic!("{decided:?}") };
    assert_eq!(
        reason,
        format!(
            "`check.score >= 0.8 && input.lang in ['de', 'en']` is false: check.score = 0.50, input.lang = \"{}…",
            "x".repeat(59)
        )
    );
}

#[test]
fn what_is_no_condition_says_what_would_be() {
    let said = |text: &str| Condition::parse(text).expect_err("no condition").to_string();
    insta::assert_snapshot!(said("check.score >"), @"mismatched input '<EOF>' at character 14; write one such as check.score >= 0.8 && input.lang in ['de', 'en']");
    insta::assert_snapshot!(said("check.score = 1"), @"no part of an expression: '= ' at character 13; write one such as check.score >= 0.8 && input.lang in ['de', 'en']");
    insta::assert_snapshot!(said("now() > check.at"), @"there is no function `now`; there are bool, bytes, contains, double, endsWith, int, matches, size, startsWith, string, uint, and the macros has, all, exists, exists_one, filter and map");
    insta::assert_snapshot!(said("1 == 1"), @"it reads nothing, and so is the same for every run");
    insta::assert_snapshot!(said("size(check.tags)"), @"it is a number, and not true or false; compare it with something");
    insta::assert_snapshot!(said("input.lang.matches(input.pattern)"), @"the pattern of `matches` must be a text in quotes that is a regular expression of at most 200 characters");
    insta::assert_snapshot!(said("check.id == 12345678901234567890123"), @"the number at character 13 does not fit into 64 bits: compare with it as a text, in quotes; write one such as check.score >= 0.8 && input.lang in ['de', 'en']");
    assert_eq!(Condition::parse(&"check.a && ".repeat(300)), Err(ConditionError::TooLong));
    let sum = vec!["check.a"; 200].join("+");
    assert_eq!(Condition::parse(&format!("{sum} > 1")), Err(ConditionError::TooDeep));
    assert!(matches!(
        Condition::parse(&format!("{}check{}", "(".repeat(500), ")".repeat(500))),
        Err(ConditionError::Syntax(_))
    ));
}

#[test]
fn what_would_take_for_ever_is_given_up() {
    let many = format!("{{\"many\": [{}]}}", vec!["1"; 5_000].join(","));
    let nested = "many.all(a, many.all(b, many.all(c, a + b + c > 0)))";
    let begun = std::time::Instant::now();
    assert_eq!(decided(nested, &many), Err(Undecided::TooManySteps.to_string()));
    let grows = format!("{{\"many\": [{}], \"input\": {:?}}}", vec!["1"; 2_000].join(","), "x".repeat(200_000));
    let doubled = "many.map(a, input + input + input + input).size() > 0";
    assert_eq!(decided(doubled, &grows), Err(Undecided::TooManySteps.to_string()));
    assert_eq!(decided(&format!("{nested} || true"), &many), Err(Undecided::TooManySteps.to_string()));
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    let large = format!("{{\"input\": {:?}}}", "x".repeat(2 << 20));
    assert_eq!(decided("input == ''", &large), Err(Undecided::TooLarge.to_string()));
    assert_eq!(
        decided("status == ''", &large.replace("\"input\"", "\"status\": \"\", \"input\"")),
        Ok(true),
        "it reads only that"
    );
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("check.score".to_owned()),
        Just("check".to_owned()),
        Just("item".to_owned()),
        Just("many".to_owned()),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("1".to_owned()),
        Just("1u".to_owned()),
        Just("-9223372036854775808".to_owned()),
        Just("0.0".to_owned()),
        Just("'x'".to_owned()),
        Just("b'x'".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        "[a-z]{1,3}",
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            (two.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%", "==", "!=", "<", "in", "&&", "||"]))
                .prop_map(|((a, b), op)| format!("({a} {op} {b})")),
            inner.clone().prop_map(|a| format!("!{a}")),
            inner.clone().prop_map(|a| format!("-{a}")),
            inner.clone().prop_map(|a| format!("size({a})")),
            inner.clone().prop_map(|a| format!("int({a})")),
            inner.clone().prop_map(|a| format!("has({a}.b)")),
            two.clone().prop_map(|(a, b)| format!("{a}[{b}]")),
            two.clone().prop_map(|(a, b)| format!("{a}.map(x, {b})")),
            two.clone().prop_map(|(a, b)| format!("{a}.exists_one(x, {b})")),
            two.clone().prop_map(|(a, b)| format!("{{{a}: {b}}}")),
            two.clone().prop_map(|(a, b)| format!("[{a}, {b}]")),
            (two, inner).prop_map(|((a, b), c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_panics_or_hangs(text in any::<String>()) {
        decided(&text, VALUES).ok();
    }

    #[test]
    fn no_expression_panics_or_hangs(text in expression(), compared in any::<bool>()) {
        let text = if compared { format!("{text} == 1") } else { text };
        let begun = std::time::Instant::now();
        decided(&text, VALUES).ok();
        prop_assert!(begun.elapsed().as_secs() < 10, "{}", text);
    }

    #[test]
    fn what_is_stored_is_read_back(text in expression()) {
        if let Ok(condition) = Condition::parse(&text) {
            let stored = serde_json::to_string(&condition).unwrap();
            prop_assert_eq!(serde_json::from_str::<Condition>(&stored).unwrap(), condition);
        }
    }
}
