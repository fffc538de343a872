//! Dead letters as people and programs read them.

use std::fmt::Write;

use serde_json::value::RawValue;
use sqlx::types::Uuid;

use crate::cli::args::Global;
use crate::cli::output::{out, outln};
use crate::config;
use crate::model::id::NO_ITEM;
use crate::store::dead_letters::DeadLetter;
use crate::view::letter::Story;
use crate::view::when;

/// Characters of a message in a list.
const MESSAGE: usize = 100;
/// Lines of what a program said, and characters of each.
const LAST_WORDS: usize = 20;
const WIDTH: usize = 200;
/// Characters of an input that are shown.
const INPUT: usize = 2000;

pub(super) fn list(global: &Global, letters: &[DeadLetter]) -> anyhow::Result<()> {
    if global.json {
        outln!("{}", serde_json::to_string(letters)?);
        return Ok(());
    }
    let [first, ..] = letters else {
        outln!("No dead letters.");
        return Ok(());
    };
    outln!("{:<36}  {:<30}  {:<20}  {:>8}  {:<8}  since", "dead letter", "stage", "class", "attempts", "state");
    for letter in letters {
        let (place, since) = (place(letter), when::clock(letter.dead_at));
        outln!(
            "{}  {place:<30}  {:<20}  {:>8}  {:<8}  {since}\n    {}",
            letter.id,
            letter.class,
            letter.attempts,
            letter.resolution,
            shortened(&letter.message)
        );
    }
    let program = config::program();
    outln!("\nLook at one with:   {program} dead-letter show {}", first.id);
    outln!("Try it again with:  {program} dead-letter retry {}", first.id);
    Ok(())
}

/// `workflow/stage`, with the item of a fanned-out one.
fn place(letter: &DeadLetter) -> String {
    let item = letter.item.map_or_else(String::new, |item| format!("[{item}]"));
    format!("{}/{}{item}", letter.workflow, letter.stage)
}

pub(super) fn shortened(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let shown: String = line.chars().filter(|c| !c.is_control()).take(MESSAGE).collect();
    if line.chars().nth(MESSAGE).is_some() || message.lines().nth(1).is_some() { shown + "…" } else { shown }
}

/// All of a message, on lines of its own where it has several.
fn whole(message: &str) -> String {
    let lines = message.lines().map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>());
    lines.collect::<Vec<_>>().join("\n              ")
}

pub(super) fn count(global: &Global, done: &str, count: i64, what: &str) {
    if global.json {
        outln!("{}", serde_json::json!({ done: count }));
    } else if count == 0 {
        outln!("No dead letter was {done}: none that is pending was chosen.");
    } else {
        outln!("Dead letters that were {done}: {count}. {what}");
    }
}

pub(super) fn forced(global: &Global, id: Uuid) {
    if global.json {
        outln!("{}", serde_json::json!({"dead_letter": id}));
    } else {
        outln!("Dead letter {id}: its run is blocked until it is retried or dismissed.");
    }
}

impl Story {
    pub(super) fn say(&self, global: &Global) -> anyhow::Result<()> {
        if global.json {
            outln!("{}", serde_json::to_string(self)?);
        } else {
            out!("{}", self.text());
        }
        Ok(())
    }

    /// The end of what the program or the server said about the last failure.
    fn last_words(&self) -> String {
        // Its last attempt ended in the transaction that made it a dead letter.
        let last = self.attempts.iter().rfind(|attempt| attempt.ended_at == self.letter.dead_at);
        let detail = last.or(self.attempts.last()).and_then(|attempt| attempt.detail.as_ref());
        let said = detail.and_then(|detail| detail["stderr"].as_str().or_else(|| detail["body"].as_str()));
        let lines: Vec<&str> = said.unwrap_or_default().lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_WORDS)..];
        if last.is_empty() {
            return String::new();
        }
        let plain = |line: &&str| line.chars().filter(|c| !c.is_control()).take(WIDTH).collect::<String>();
        format!("\nWhat it said last:\n  {}\n", last.iter().map(plain).collect::<Vec<_>>().join("\n  "))
    }

    fn text(&self) -> String {
        let letter = &self.letter;
        let mut text = format!("Dead letter {}: {} of run {}\n\n", letter.id, place(letter), letter.run);
        let mut line = |name: &str, value: &str| {
            // Writing into a string cannot fail.
            writeln!(text, "  {name:<11} {value}").ok();
        };
        line("failed with", &format!("{}: {}", letter.class, whole(&letter.message)));
        line("since", &when::clock(letter.dead_at));
        line("attempts", &letter.attempts.to_string());
        line("worker", letter.worker.as_deref().unwrap_or("?"));
        line("fingerprint", &letter.fingerprint);
        line("run", &format!("{}, started {}", letter.run_state, when::clock(letter.run_started_at)));
        line("version", letter.workflow_version.get(..12).unwrap_or_default());
        if let (Some(at), Some(by)) = (letter.resolved_at, &letter.resolved_by) {
            let note = letter.note.as_deref().map_or_else(String::new, |note| format!(": {note}"));
            line(&letter.resolution, &format!("{} by {by}{note}", when::clock(at)));
        }
        let shown = |input: &Option<Box<RawValue>>| -> String {
            input.as_ref().map_or_else(String::new, |input| input.get().chars().take(INPUT).collect())
        };
        line("input", &shown(&self.input));
        if self.input_before.is_some() {
            line("before", &shown(&self.input_before));
        }
        text + &self.attempts() + &self.last_words() + &self.checkpoints() + &self.what_next()
    }

    fn attempts(&self) -> String {
        let mut text = String::from("\nIts attempts:\n");
        for a in &self.attempts {
            let what = a.class.as_deref().unwrap_or(a.outcome.as_str());
            let message = whole(a.message.as_deref().unwrap_or_default());
            let took = when::span(a.ended_at - a.started_at);
            let ended = when::clock(a.ended_at);
            let past = if a.done_again_at.is_some() { "  (before it was done again)" } else { "" };
            writeln!(text, "  {:>3}  {ended}  {took:>9}  {}  {what}: {message}{past}", a.attempt, a.worker).ok();
        }
        text
    }

    fn checkpoints(&self) -> String {
        if self.checkpoints.is_empty() {
            return "\nThe run has no checkpoints.\n".to_owned();
        }
        let mut text = String::from("\nCheckpoints of the run:\n");
        for c in &self.checkpoints {
            let item = if c.item == NO_ITEM { String::new() } else { format!("[{}]", c.item) };
            let ended = when::clock(c.finished_at);
            match c.skipped {
                Some(_) => writeln!(text, "  {ended}  {}{item}  skipped", c.stage).ok(),
                None => writeln!(text, "  {ended}  {}{item}  {} B, attempt {}", c.stage, c.bytes, c.attempt).ok(),
            };
        }
        text
    }

    fn what_next(&self) -> String {
        if self.letter.resolution != "pending" {
            return String::new();
        }
        let (program, id) = (config::program(), self.letter.id);
        format!(
            "\nTry it again with:    {program} dead-letter retry {id}\n\
             Do more again with:   {program} dead-letter retry {id} --from STAGE [--input FILE]\n\
             End its run with:     {program} dead-letter dismiss {id} --reason \"…\"\n"
        )
    }
}
