//! `piton show`: a run, and what to do about it.

mod family;

use anyhow::bail;

use super::args::{Global, ShowArgs};
use super::database::Database;
use super::exit::Exit;
use super::files::short;
use super::why;
use crate::cli::output::{errln, out, outln};
use crate::config;
use crate::definitions::Definitions;
use crate::model::digest::hex;
use crate::model::id::{NO_ITEM, RunId};
use crate::model::json;
use crate::model::quoted::quoted;
use crate::model::state::{Resolution, RunState};
use crate::store::dead_letters::{DeadLetter, Filter};
use crate::store::overview::AttemptRow;
use crate::store::runs::RunFailure;
use crate::store::schedules::ScheduledRun;
use crate::view::report::{self, RunReport};
use crate::view::snapshot::Snapshot;
use crate::view::when;

/// Attempts shown; a run with a thousand failures is read in SQL.
const ATTEMPTS: i64 = 50;
/// Runs below it that are told as JSON.
const CHILDREN: i64 = 200;

pub(crate) async fn show(global: Global, args: ShowArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let Some(snapshot) = Snapshot::read(&database.store, &Definitions::default(), args.run).await? else {
        database.close().await;
        bail!("there is no run {}; `{} runs` lists those there are", args.run, config::program());
    };
    let attempts = database.store.attempts(snapshot.run.id, ATTEMPTS).await?;
    let output = report::outputs(&database.store, &snapshot).await?;
    let schedule = database.store.schedule_of(snapshot.run.id.0).await?;
    let relatives = database.store.family(snapshot.run.key, if global.json { CHILDREN } else { family::NAMED }).await?;
    if global.json {
        let report = RunReport::full(&snapshot, &attempts, output).began_with(schedule).among(relatives);
        outln!("{}", serde_json::to_string(&report)?);
    } else {
        out!("{}", story(&snapshot, &attempts));
        outln!("{}", version(&database, &snapshot).await?);
        out!("{}", schedule.as_ref().map_or_else(String::new, begun_by));
        out!("{}", family::family(snapshot.run.id, &relatives));
        if snapshot.run.state == RunState::Done {
            print_outputs(&output)?;
        }
        if snapshot.run.state == RunState::Cancelled
            && let Some(cancelled) = database.store.cancellation(snapshot.run.key).await?
        {
            let (by, at) = (cancelled.cancelled_by, when::clock(cancelled.cancelled_at));
            outln!("It was cancelled by {by} at {at}: {}", when::here(&cancelled.reason));
        }
        out!("{}", artifacts(&database, &snapshot).await?);
        out!("{}", finished_programs(&database, &snapshot).await?);
        out!("{}", past_rounds(&database, &snapshot).await?);
        outln!("{}", what_to_do(&snapshot));
        if snapshot.run.tolerated > 0 {
            out!("{}", what_is_tolerated(&database, snapshot.run.id).await?);
        }
        if snapshot.run.state == RunState::Blocked {
            out!("{}", what_blocks(&database, snapshot.run.id).await?);
        }
    }
    database.close().await;
    Ok(Exit::Done)
}

/// Which version of its workflow it follows, and whether runs that are started now do, too.
async fn version(database: &Database, snapshot: &Snapshot) -> anyhow::Result<String> {
    let (name, digest) = (&snapshot.run.workflow, hex(&snapshot.definition.workflow.digest()));
    let current = database.store.current_versions().await?;
    let now = current.iter().find(|(workflow, _)| workflow == name).map(|(_, version)| version);
    Ok(match now {
        Some(now) if now.digest == digest => format!("It follows version {} of {name}, the current one.", now.version),
        Some(now) => format!("It follows version {} of {name}; the current one is {}.", short(&digest), now.version),
        None => format!("It follows version {} of {name}.", short(&digest)),
    })
}

/// Which tick it began with.
fn begun_by(schedule: &ScheduledRun) -> String {
    let ScheduledRun { schedule, tick, is_triggered } = schedule;
    let tick = when::clock(*tick);
    if *is_triggered {
        format!("Schedule {schedule} was triggered by hand, at {tick}.\n")
    } else {
        format!("Schedule {schedule} started it for its tick of {tick}.\n")
    }
}

/// That there are some, and how to see them.
async fn artifacts(database: &Database, snapshot: &Snapshot) -> anyhow::Result<String> {
    let (run, program) = (&snapshot.run, config::program());
    Ok(match database.store.artifact_count(run.key).await? {
        0 => String::new(),
        1 => format!("It has 1 artifact: see it with:  {program} artifacts list {}\n", run.id),
        count => format!("It has {count} artifacts: see them with:  {program} artifacts list {}\n", run.id),
    })
}

/// Rounds that were not good enough, the last few, and why.
async fn past_rounds(database: &Database, snapshot: &Snapshot) -> anyhow::Result<String> {
    if snapshot.stages.iter().all(|stage| stage.round.is_none_or(|round| round.number == 1)) {
        return Ok(String::new());
    }
    let rounds = database.store.past_rounds(snapshot.run.id, TOLD).await?;
    let line = |(stage, round, why): &(String, i32, String)| format!("  {stage}, round {round}: {}\n", quoted(why));
    let lines: String = rounds.iter().rev().map(line).collect();
    Ok(format!("Rounds that were not good enough, so that another one began:\n{lines}"))
}

/// Programs whose result is committed, and that keep their jobs all the same.
async fn finished_programs(database: &Database, snapshot: &Snapshot) -> anyhow::Result<String> {
    let finished = database.store.finished_programs(snapshot.run.key, TOLD).await?;
    let told = finished.into_iter().map(|(stage, item, at)| {
        let item = if item == NO_ITEM { String::new() } else { format!("[{item}]") };
        let at = when::clock(at);
        format!("The program of {stage}{item} committed its result with piton.finish at {at}, and still runs.\n")
    });
    Ok(told.collect())
}

/// Dead letters, or programs, that are told of one run.
const TOLD: i64 = 5;

/// Dead letters of a run, and a line for each.
async fn letters(database: &Database, run: RunId, resolution: Resolution) -> anyhow::Result<(Vec<DeadLetter>, String)> {
    let filter = Filter { resolution: Some(resolution), run: Some(run), ..Filter::default() };
    let letters = database.store.dead_letters(&filter, None, TOLD).await?;
    let line = |letter: &DeadLetter| {
        let item = letter.item.map_or_else(String::new, |item| format!("[{item}]"));
        format!("  {}  {}{item}: {}: {}\n", letter.id, letter.stage, letter.class, quoted(&letter.message))
    };
    let text = letters.iter().map(line).collect();
    Ok((letters, text))
}

/// What a run went on without, and what to type.
async fn what_is_tolerated(database: &Database, run: RunId) -> anyhow::Result<String> {
    let (letters, text) = letters(database, run, Resolution::Tolerated).await?;
    let id = letters.first().map_or_else(|| "ID".to_owned(), |letter| letter.id.to_string());
    Ok(format!(
        "It is degraded: it went on without what was given up:\n{text}\
         Try one again, and do all that needs it again, with:  {} dead-letter retry {id}\n",
        config::program()
    ))
}

/// The dead letters that a run waits for, and what to type.
async fn what_blocks(database: &Database, run: RunId) -> anyhow::Result<String> {
    let program = config::program();
    let (letters, mut text) = letters(database, run, Resolution::Pending).await?;
    if let [only] = letters.as_slice() {
        let id = only.id;
        text.push_str(&format!("See all of it with:   {program} dead-letter show {id}\n"));
        text.push_str(&format!("Try it again with:    {program} dead-letter retry {id}\n"));
        text.push_str(&format!("End the run with:     {program} dead-letter dismiss {id} --reason \"…\"\n"));
    } else {
        text.push_str(&format!("See them with:        {program} dead-letter list --run {run}\n"));
        text.push_str(&format!("Try them again with:  {program} dead-letter retry --run {run}\n"));
    }
    Ok(text)
}

/// The same, as the end of a run that was followed.
pub(crate) async fn say_what_blocks(database: &Database, run: RunId) -> anyhow::Result<()> {
    errln!("error: the run is blocked by what was given up:\n{}", what_blocks(database, run).await?.trim_end());
    Ok(())
}

fn story(snapshot: &Snapshot, attempts: &[AttemptRow]) -> String {
    let run = &snapshot.run;
    let took = run.finished_at.map_or_else(String::new, |end| format!(", took {}", when::span(end - run.started_at)));
    let trace = run.trace.as_ref().map_or_else(String::new, |trace| format!(", in trace {}", trace.id()));
    let mut text = format!(
        "Run {} of {} is {}: started {}{took}{trace}\n\n",
        run.id,
        run.workflow,
        run.shown,
        when::clock(run.started_at)
    );
    let width = snapshot.stages.iter().map(|s| s.name.len()).max().unwrap_or(0);
    for stage in &snapshot.stages {
        text.push_str(&format!("  {} {:<width$}  {}\n", stage.mark(), stage.name, stage.words()));
    }
    if !attempts.is_empty() {
        text.push_str("\nAttempts that did not finish:\n");
    }
    for attempt in attempts {
        let stage = &attempt.stage;
        let item = if attempt.item == NO_ITEM { String::new() } else { format!("[{}]", attempt.item) };
        let class = attempt.class.as_deref().unwrap_or(attempt.outcome.as_str());
        let message = quoted(attempt.message.as_deref().unwrap_or_default());
        let due = attempt.retry_at.map_or_else(String::new, |at| format!(" (due again {})", when::clock(at)));
        text.push_str(&format!(
            "  {}  {stage}{item} attempt {} on {}: {class}: {message}{due}\n",
            when::clock(attempt.ended_at),
            attempt.attempt,
            attempt.worker
        ));
    }
    text.push('\n');
    text
}

/// Outputs of the last stages to standard output: JSON, indented, but text of several lines as it reads.
pub(crate) fn print_outputs(outputs: &[(String, Box<serde_json::value::RawValue>)]) -> anyhow::Result<()> {
    for (stage, output) in outputs {
        let text = serde_json::from_str::<String>(output.get()).ok();
        match text.filter(|text| text.contains('\n')) {
            // Nothing in it may move a terminal's cursor.
            Some(text) => {
                outln!("{stage}:\n{}", text.replace(|c: char| c.is_control() && c != '\n' && c != '\t', " "))
            }
            None => outln!("{stage}: {}", json::indented(output.get())),
        }
    }
    Ok(())
}

fn what_to_do(snapshot: &Snapshot) -> String {
    match snapshot.run.state {
        RunState::Done | RunState::Cancelled => "Nothing to do.".to_owned(),
        RunState::Failed => match &snapshot.run.failure {
            Some(RunFailure { stage, class, message, .. }) => format!(
                "It failed at stage {stage}: {class}: {message}\n\
                 Its dead letter was dismissed, and its other jobs were cancelled."
            ),
            None => String::new(),
        },
        RunState::Blocked => {
            let held = what_holds(snapshot);
            let blocked = "It is blocked by what was given up; what does not depend on that goes on:";
            if held.is_empty() { blocked.to_owned() } else { format!("{held}{blocked}") }
        }
        RunState::Running => match (what_holds(snapshot), snapshot.run.starts_at) {
            (held, _) if !held.is_empty() => held.trim_end().to_owned(),
            (_, Some(at)) => format!("Nothing to do: it starts at {}.", when::clock(at)),
            (_, None) => "Nothing to do: it goes on by itself.".to_owned(),
        },
    }
}

/// What keeps it that somebody must act on, and what to type.
fn what_holds(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    for wait in snapshot.up_to_people().filter(|wait| wait.reason != "decision") {
        text.push_str(&format!("{}\n", why::in_words(wait)));
        if wait.moves == "piton worker" {
            let (program, run) = (config::program(), snapshot.run.id);
            text.push_str(&format!("    or go on with it alone:  {program} run --resume {run}\n"));
        }
    }
    text
}
