//! The table `wait` of a stage that waits for somebody.

use super::input;
use crate::workflow::definition::SignalStage;
use crate::workflow::json::json;
use crate::workflow::keys::{self, Key, Shape};
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::name::{self, SignalName};
use crate::workflow::suggestion::suggestion;
use crate::workflow::value::{self, Value};

/// Reads it; `None` where something in it is wrong.
pub(super) fn signal(value: &Value<'_>, _: Key, found: &mut Vec<Mistake>) -> Option<SignalStage> {
    let before = found.len();
    let table = value::table(value, keys::WAIT, found)?;
    let (mut name, mut timeout, mut on_timeout, mut payload, mut not_starter) = (None, None, None, None, false);
    for (key, value) in value::entries(table) {
        match key.text.as_str() {
            "for" => {
                let Shape::Word(words) = keys::FOR.shape else { continue };
                if value::one_of(value, keys::FOR, words, found).is_some_and(|word| word != "signal") {
                    let help = "add http, command or rust, which asks the service; what it asks answers then";
                    found.push(Mistake::new(value.span(), "the stage waits for a service, and asks nobody", "", help));
                    return None;
                }
            }
            "name" => name = signal_name(value, found),
            "timeout" => timeout = value::duration(value, keys::SIGNAL_TIMEOUT, found),
            "on_timeout" => on_timeout = json(value, keys::ON_TIMEOUT, found),
            "payload" => payload = input::declared(value, keys::PAYLOAD, found),
            "not_starter" => not_starter = value::flag(value, keys::NOT_STARTER, found).unwrap_or_default(),
            unknown => {
                let meant = suggestion(unknown, keys::WAIT_KEYS, found.len());
                value::unknown_key(&key, "`wait`", keys::WAIT_KEYS, meant, None, found);
            }
        }
    }
    for (key, why) in [
        (keys::FOR, "does not say what for"),
        (keys::SIGNAL, "does not name its signal"),
        (keys::SIGNAL_TIMEOUT, "has no timeout, and would wait for ever"),
    ] {
        if !table.contains_key(key.name) {
            found.push(Mistake::new(value.span(), format!("`wait` {why}"), "", format!("add {}", key.example)));
        }
    }
    let stage = SignalStage { name: name?, timeout: timeout?, on_timeout, payload, not_starter };
    (found.len() == before).then_some(stage)
}

fn signal_name(value: &Value<'_>, found: &mut Vec<Mistake>) -> Option<SignalName> {
    let word = value::text(value, keys::SIGNAL, false, found)?;
    match word.text.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            let help = name::nearest(&word.text).map_or(error.to_string(), |name| format!("write name = \"{name}\""));
            let title = format!("{} is no name for a signal", shown(&word.text));
            found.push(Mistake::new(word.span, title, error.to_string(), help));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::workflow::keys::tests::parse;

    #[test]
    fn what_is_wrong_with_a_wait_is_told_with_its_cure() {
        let said = |stages: &str| parse(&format!("name = 'a'\n{stages}")).expect_err("wrong").to_string();
        let signal = "wait = { for = 'signal', name = 'go', timeout = '1h' }";
        let cases = [
            (
                "[stages.a]\nwait = { for = 'signal', name = 'go' }".to_owned(),
                "`wait` has no timeout, and would wait for ever",
            ),
            ("[stages.a]\nwait = { timeout = '1h', name = 'go' }".to_owned(), "add for = \"signal\""),
            (
                "[stages.a]\nwait = { for = 'signal', name = 'Go now', timeout = '1h' }".to_owned(),
                "write name = \"go-now\"",
            ),
            (
                format!("[stages.a]\n{signal}\n[stages.b]\n{signal}"),
                "stage `b` waits for the signal `go`, as stage `a` does",
            ),
            (format!("[stages.a]\n{signal}\nfor_each = 'input'"), "which answers a stage and not its items"),
            (format!("[stages.a]\n{signal}\nsleep = '1h'"), "stage `a` says twice how it runs"),
            (
                "[stages.a]\nsleep = '1h'\nconcurrency = 2".to_owned(),
                "`concurrency` means nothing for stage `a`: it waits (`sleep`)",
            ),
            ("[stages.a]\nuntil = '2027-01-31 06:00'".to_owned(), "a time has date, time and zone"),
            ("[stages.a]\ncommand = ['x']\njitter = '1s'".to_owned(), "`jitter` is for stages of the kind `sleep`"),
        ];
        for (stages, expected) in cases {
            let said = said(&stages);
            assert!(said.contains(expected), "{stages}\n{said}");
        }
    }
}
