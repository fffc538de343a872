//! The screen, without a terminal and without a database.

mod keys;
mod pictures;

use chrono::{DateTime, TimeDelta, Utc};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sqlx::types::Uuid;

use super::draw::draw;
use super::keys::{Wish, press};
use super::state::{CauseName, Top};
use crate::model::id::RunId;
use crate::store::pauses::Pause;
use crate::store::throughput::Outlook;
use crate::store::top::{Cause, FleetWorker, LiveRuns, PendingLetter, TopLook};
use crate::store::why::WaitingGroup;

fn now() -> DateTime<Utc> {
    "2026-12-24T18:00:00Z".parse().unwrap()
}

fn before(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

fn group(stage: &str, reason: &str, jobs: i64, why: &str, moves: &str) -> WaitingGroup {
    let (why, moves) = (why.to_owned(), moves.to_owned());
    let (workflow, stage, reason) = ("story".to_owned(), stage.to_owned(), reason.to_owned());
    WaitingGroup { workflow, stage, reason, jobs, oldest_since: Some(before(jobs * 30)), why, moves }
}

fn letter(id: u128, message: &str) -> PendingLetter {
    PendingLetter {
        id: Uuid::from_u128(id),
        run: Uuid::from_u128(id + 0x100),
        item: Some(3),
        message: message.to_owned(),
        attempts: 6,
        dead_at: before(75),
    }
}

fn cause(fingerprint: &str, class: &str, letters: i64, example: &str) -> Cause {
    Cause {
        workflow: "story".to_owned(),
        stage: "picture".to_owned(),
        class: class.to_owned(),
        fingerprint: fingerprint.to_owned(),
        letters,
        runs: letters - 1,
        first_at: before(7800),
        last_at: before(75),
        example: example.to_owned(),
    }
}

fn worker(name: &str, state: &str, slots: Option<i32>, busy: i64, seconds: i64) -> FleetWorker {
    let (name, state) = (name.to_owned(), state.to_owned());
    let (build, host) = (Some("0.1.0 of 2026-12-20".to_owned()), "node-7".to_owned());
    FleetWorker { name, state, slots, busy, last_seen: before(seconds), build, host, warm: Vec::new() }
}

fn look() -> TopLook {
    let long = "nightly_renders_of_the_northern_region_eu";
    let mut renders =
        group("transcode_to_every_format_asked_for", "slot", 41_200, "waiting for a free slot of w1", "a free slot");
    renders.workflow = long.to_owned();
    TopLook {
        runs: LiveRuns { at: now(), running: 12, scheduled: 0, blocked: 2 },
        queue: vec![
            renders,
            group(
                "critic",
                "slot",
                4,
                "waiting for a free slot of w1",
                "a free slot: more workers, or more slots for each",
            ),
            group(
                "render",
                "paused",
                30,
                "the stage is paused by anna: \"provider is down\"",
                "piton resume story --stage render",
            ),
        ],
        pauses: vec![paused(Some("story"), Some("render"))],
        workers: vec![
            worker("w3", "silent", Some(32), 3, 78),
            worker("w1", "alive", Some(32), 31, 2),
            worker("w2", "alive", None, 0, 2),
        ],
        causes: vec![
            cause("0b7a1d6e5f4c3b2a", "auth_failure", 812, "the key is\nwrong: \u{1b}[2Jgone"),
            cause("77c0ffee77c0ffee", "invalid_input", 6, "scene 3 has no text"),
        ],
        flow: vec![
            flow("story", 4.2, Err("render is paused"), "render", Some("paused")),
            flow(long, 842.0, Ok(11_460.0), "transcode_to_every_format_asked_for", None),
        ],
    }
}

fn flow(workflow: &str, per_minute: f64, empty: Result<f64, &str>, bottleneck: &str, hold: Option<&str>) -> Outlook {
    Outlook {
        workflow: workflow.to_owned(),
        done_per_minute: per_minute,
        done_per_minute_before: Some(7.25),
        waiting: 41_234,
        running: 31,
        to_come: 300,
        work_left_seconds: 4800.0,
        work_left_seconds_before: Some(6300.0),
        trend: if empty.is_ok() { "better" } else { "worse" }.to_owned(),
        empty_seconds: empty.ok(),
        why_not_empty: empty.err().map(str::to_owned),
        bottleneck: Some(bottleneck.to_owned()),
        bottleneck_hold: hold.map(str::to_owned),
        slowest_stage: None,
        slowest_seconds: None,
        longest_queue: None,
        is_estimate: per_minute > 100.0,
        blocked_runs: 0,
    }
}

fn paused(workflow: Option<&str>, stage: Option<&str>) -> Pause {
    let (workflow, stage, reason) = (workflow.map(str::to_owned), stage.map(str::to_owned), "moving".to_owned());
    Pause { workflow, stage, reason, paused_by: "anna".to_owned(), paused_at: before(60) }
}

fn seen() -> Top {
    let mut top = Top::new("piton".to_owned());
    top.seen(look());
    top
}

/// With the letters of the first cause open.
fn opened() -> Top {
    let mut top = seen();
    let name = CauseName::of(&look().causes[0]);
    assert_eq!(type_keys(&mut top, &[KeyCode::Enter]), [Wish::Letters(name.clone())]);
    top.told_letters(
        &name,
        vec![letter(1, "the key is\nwrong: \u{1b}[2Jgone"), letter(2, "the key is wrong: expired")],
    );
    top
}

fn picture(top: &Top, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, top)).unwrap();
    let lines: Vec<String> =
        terminal.backend().to_string().lines().map(|line| line.trim_matches('"').trim_end().to_owned()).collect();
    lines.join("\n")
}

const SMALL: (u16, u16) = (80, 24);
const COMMON: (u16, u16) = (120, 40);
const LARGE: (u16, u16) = (200, 50);

/// The wishes of these keys, one after another.
fn type_keys(top: &mut Top, keys: &[KeyCode]) -> Vec<Wish> {
    keys.iter().filter_map(|key| press(top, KeyEvent::new(*key, KeyModifiers::NONE))).collect()
}

fn text(words: &str) -> Vec<KeyCode> {
    words.chars().map(KeyCode::Char).collect()
}

fn run(letter: u128) -> RunId {
    RunId(Uuid::from_u128(letter + 0x100))
}
