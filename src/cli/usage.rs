//! What is wrong with the arguments, in few words.

use clap::error::{ContextKind, ContextValue};

use super::left_out::left_out;
use crate::model::quoted::quoted;
use crate::workflow::similar::similar;

/// The same error without what would mislead: values at any length, and an option that only looks a little like the one that
/// was typed.
pub(super) fn shortened(mut error: clap::Error) -> clap::Error {
    if let Some(left_out) = text(error.get(ContextKind::InvalidSubcommand)).and_then(|command| left_out(&command)) {
        return left_out;
    }
    let typed = text(error.get(ContextKind::InvalidArg));
    let is_similar = |suggested: &str| {
        let bare = |option: &str| option.trim_start_matches('-').to_owned();
        typed.as_deref().is_some_and(|typed| similar(&bare(typed), [bare(suggested).as_str()]).is_some())
    };
    if text(error.get(ContextKind::SuggestedArg)).is_some_and(|suggested| !is_similar(&suggested)) {
        error.remove(ContextKind::SuggestedArg);
        // It shows how to use what was suggested.
        error.remove(ContextKind::Usage);
    }
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        if let Some(long) = text(error.get(kind)) {
            error.insert(kind, ContextValue::String(quoted(&long)));
        }
    }
    error
}

fn text(value: Option<&ContextValue>) -> Option<String> {
    match value {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory, Parser};

    use super::*;
    use crate::cli::args::Arguments;

    fn said(arguments: &[&str]) -> String {
        let error = Arguments::try_parse_from([&["piton"], arguments].concat()).expect_err("an error");
        shortened(error).render().to_string()
    }

    /// Every option of the command and of those below it: the words that lead there.
    fn options(command: &Command, path: &[String], found: &mut Vec<Vec<String>>) {
        for argument in command.get_arguments().filter(|argument| argument.get_action().takes_values()) {
            let option = argument.get_long().map(|long| format!("--{long}"));
            found.push(path.iter().cloned().chain(option).collect());
        }
        for below in command.get_subcommands() {
            options(below, &[path, &[below.get_name().to_owned()]].concat(), found);
        }
    }

    #[test]
    fn no_option_echoes_at_length_what_was_given() {
        let mut all = Vec::new();
        let mut command = Arguments::command();
        command.build();
        options(&command, &[], &mut all);
        assert!(all.len() > 100, "{}", all.len());
        let mut refused = 0;
        for long in
            ["7".repeat(4000), "x".repeat(4000), format!("disk.used_share={}", "7".repeat(4000)), "a:b=".repeat(1000)]
        {
            for words in &all {
                let words: Vec<&str> = words.iter().map(String::as_str).chain([long.as_str()]).collect();
                if let Err(error) = Arguments::try_parse_from([&["piton"], &words[..]].concat()) {
                    let said = shortened(error).render().to_string();
                    assert!(said.len() < 1500, "{:?}: {said}", &words[..words.len() - 1]);
                    refused += 1;
                }
            }
        }
        assert!(refused > 200, "{refused}");
    }

    #[test]
    fn only_an_option_that_was_meant_is_suggested() {
        assert!(said(&["runs", "--limt", "5"]).contains("'--limit'"));
        assert!(said(&["cancel", "--reson", "x"]).contains("'--reason'"));
        let said = said(&["health", "--reason", "x"]);
        assert!(said.contains("unexpected argument '--reason'") && !said.contains("--version"), "{said}");
    }
}
