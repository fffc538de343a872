//! Dead letters as people and programs read them.

use std::fmt::Write;

use serde::Serialize;

use super::Global;
use crate::cli::when;
use crate::config;
use crate::model::id::NO_ITEM;
use crate::store::dead_letters::{DeadLetter, Group};
use crate::store::overview::{AttemptRow, CheckpointRow};
use crate::store::runs::RunRow;
use crate::store::{Store, StoreError};

/// Characters of a message in a list.
const MESSAGE: usize = 100;
/// Characters of an input that are shown.
const INPUT: usize = 2000;

pub(super) fn list(global: &Global, letters: &[DeadLetter]) -> anyhow::Result<()> {
    if global.json {
        println!("{}", serde_json::to_string(letters)?);
        return Ok(());
    }
    let [first, ..] = letters else {
        println!("No dead letters.");
        return Ok(());
    };
    println!("{:<36}  {:<30}  {:<20}  {:>8}  {:<8}  since", "dead letter", "stage", "class", "attempts", "state");
    for letter in letters {
        let (place, since) = (place(letter), when::clock(letter.dead_at));
        println!(
            "{}  {place:<30}  {:<20}  {:>8}  {:<8}  {since}\n    {}",
            letter.id,
            letter.class,
            letter.attempts,
            letter.resolution,
            shortened(&letter.message)
        );
    }
    let program = config::program();
    println!("\nLook at one with:   {program} dead-letter show {}", first.id);
    println!("Try it again with:  {program} dead-letter retry {}", first.id);
    Ok(())
}

/// `workflow/stage`, with the item of a fanned-out one.
fn place(letter: &DeadLetter) -> String {
    let item = letter.item.map_or_else(String::new, |item| format!("[{item}]"));
    format!("{}/{}{item}", letter.workflow, letter.stage)
}

fn shortened(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let shown: String = line.chars().filter(|c| !c.is_control()).take(MESSAGE).collect();
    if line.chars().nth(MESSAGE).is_some() || message.lines().nth(1).is_some() { shown + "…" } else { shown }
}

pub(super) fn stats(global: &Global, groups: &[Group]) -> anyhow::Result<()> {
    if global.json {
        println!("{}", serde_json::to_string(groups)?);
        return Ok(());
    }
    if groups.is_empty() {
        println!("No dead letters.");
        return Ok(());
    }
    println!("{:>7}  {:<30}  {:<20}  {:<16}  {:<19}  last", "count", "stage", "class", "fingerprint", "first");
    for group in groups {
        let place = format!("{}/{}", group.workflow, group.stage);
        let (first, last) = (when::clock(group.first_at), when::clock(group.last_at));
        let (count, class, fingerprint) = (group.count, &group.class, &group.fingerprint);
        println!("{count:>7}  {place:<30}  {class:<20}  {fingerprint}  {first:<19}  {last}");
        println!("         {}", shortened(&group.message));
    }
    println!("\nTry all of one cause again with:  {} dead-letter retry --fingerprint FINGERPRINT", config::program());
    Ok(())
}

pub(super) fn count(global: &Global, done: &str, count: i64, what: &str) {
    if global.json {
        println!("{}", serde_json::json!({ done: count }));
    } else if count == 0 {
        println!("No dead letter was {done}: none that is pending was chosen.");
    } else {
        println!(
            "{count} {} {done}; their jobs {what}.",
            if count == 1 { "dead letter was" } else { "dead letters were" }
        );
    }
}

/// A dead letter with all that is needed to judge it.
#[derive(Serialize)]
pub(super) struct Story {
    #[serde(flatten)]
    letter: DeadLetter,
    input: Option<serde_json::Value>,
    attempts: Vec<Attempt>,
    checkpoints: Vec<CheckpointRow>,
}

#[derive(Serialize)]
struct Attempt {
    attempt: i32,
    outcome: String,
    class: Option<String>,
    message: Option<String>,
    worker: String,
    started_at: chrono::DateTime<chrono::Utc>,
    ended_at: chrono::DateTime<chrono::Utc>,
}

impl Story {
    pub(super) async fn of(
        store: &Store,
        letter: DeadLetter,
        run: &RunRow,
        attempts: Vec<AttemptRow>,
    ) -> Result<Story, StoreError> {
        let checkpoints = store.checkpoints(run.key).await?;
        let input = store.run_inputs(&[run.key]).await?.pop().map(|(.., input)| input);
        let (stage, item) = store.dead_letter_job(letter.id).await?;
        let own = attempts.into_iter().filter(|a| a.stage == stage && a.item == item).map(|a| Attempt {
            attempt: a.attempt,
            outcome: a.outcome.as_str().to_owned(),
            class: a.class,
            message: a.message,
            worker: a.worker,
            started_at: a.started_at,
            ended_at: a.ended_at,
        });
        let input = input.and_then(|text| serde_json::from_str(&text).ok());
        Ok(Story { letter, input, attempts: own.collect(), checkpoints })
    }

    pub(super) fn say(&self, global: &Global) -> anyhow::Result<()> {
        if global.json {
            println!("{}", serde_json::to_string(self)?);
        } else {
            print!("{}", self.text());
        }
        Ok(())
    }

    fn text(&self) -> String {
        let letter = &self.letter;
        let mut text = format!("Dead letter {}: {} of run {}\n\n", letter.id, place(letter), letter.run);
        let mut line = |name: &str, value: &str| {
            // Writing into a string cannot fail.
            writeln!(text, "  {name:<11} {value}").ok();
        };
        line("failed with", &format!("{}: {}", letter.class, shortened(&letter.message)));
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
        let input = self.input.as_ref().map(ToString::to_string).unwrap_or_default();
        line("input", &input.chars().take(INPUT).collect::<String>());
        text.push_str("\nIts attempts:\n");
        for a in &self.attempts {
            let what = a.class.as_deref().unwrap_or(a.outcome.as_str());
            let message = shortened(a.message.as_deref().unwrap_or_default());
            let took = when::span(a.ended_at - a.started_at);
            let ended = when::clock(a.ended_at);
            writeln!(text, "  {:>3}  {ended}  {took:>9}  {}  {what}: {message}", a.attempt, a.worker).ok();
        }
        text.push_str("\nCheckpoints of the run:\n");
        for c in &self.checkpoints {
            let item = if c.item == NO_ITEM { String::new() } else { format!("[{}]", c.item) };
            let ended = when::clock(c.finished_at);
            writeln!(text, "  {ended}  {}{item}  {} bytes, attempt {}", c.stage, c.bytes, c.attempt).ok();
        }
        if letter.resolution == "pending" {
            let (program, id) = (config::program(), letter.id);
            writeln!(text, "\nTry it again with:    {program} dead-letter retry {id}").ok();
            writeln!(text, "End its run with:     {program} dead-letter dismiss {id} --reason \"…\"").ok();
        }
        text
    }
}
