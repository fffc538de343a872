//! The table `retry` of a workflow or a stage.

use crate::model::failure::FailureClass;
use crate::workflow::keys::{self, Key};
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::retry_rules::{ClassRules, RetryRules};
use crate::workflow::suggestion::suggestion;
use crate::workflow::value::{self, Value, Word};

pub(super) fn rules(value: &Value<'_>, found: &mut Vec<Mistake>) -> Option<RetryRules> {
    let mut rules = RetryRules::default();
    for (key, value) in value::entries(value::table(value, keys::RETRY, found)?) {
        match key.text.as_str() {
            "max_retries" => rules.max_retries = value::number(value, keys::MAX_RETRIES, found),
            "deadline" => rules.deadline = value::duration(value, keys::DEADLINE, found),
            other => {
                if let Some(class) = class_of(&key, other, found)
                    && let Some(of_class) = class_rules(class, value, found)
                {
                    rules.classes.insert(class, of_class);
                }
            }
        }
    }
    Some(rules)
}

fn class_of(key: &Word, name: &str, found: &mut Vec<Mistake>) -> Option<FailureClass> {
    match FailureClass::from_word(name) {
        Some(class) if class.has_rules() => Some(class),
        Some(_) => {
            let title = format!("there are no rules for {}", shown(name));
            found.push(Mistake::new(key.span.clone(), title, "", "remove it; Piton itself decides what follows"));
            None
        }
        None => {
            let known: Vec<Key> =
                keys::RETRY_RULES.iter().copied().chain(keys::ruled_classes().map(keys::class)).collect();
            let meant = suggestion(name, &known, found.len());
            let of_class = keys::CLASS_RULES
                .iter()
                .any(|key| key.name == name)
                .then_some("it belongs to a class: write it in a table such as rate_limited = { … }");
            value::unknown_key(key, "`retry`", &known, meant, of_class, found);
            None
        }
    }
}

fn class_rules(class: FailureClass, value: &Value<'_>, found: &mut Vec<Mistake>) -> Option<ClassRules> {
    let mut rules = ClassRules::default();
    let mut cap_at = None;
    for (key, value) in value::entries(value::table(value, keys::class(class), found)?) {
        match key.text.as_str() {
            "max_retries" => rules.max_retries = value::number(value, keys::CLASS_RETRIES, found),
            "base" => rules.base = value::duration(value, keys::BASE, found),
            "cap" => {
                rules.cap = value::duration(value, keys::CAP, found);
                cap_at = Some(value);
            }
            "jitter" => rules.jitter = value::share(value, keys::JITTER, found),
            "retry_after" => rules.retry_after = value::flag(value, keys::RETRY_AFTER, found),
            unknown => {
                let meant = suggestion(unknown, keys::CLASS_RULES, found.len());
                value::unknown_key(&key, "the rules of a class", keys::CLASS_RULES, meant, None, found);
            }
        }
    }
    if let (Some(base), Some(cap), Some(at)) = (rules.base, rules.cap, cap_at)
        && base > cap
    {
        let help = "let `base` be the wait before the first retry, and `cap` the longest";
        return value::wrong(at, "`cap` is shorter than `base`".to_owned(), "", help, found);
    }
    Some(rules)
}
