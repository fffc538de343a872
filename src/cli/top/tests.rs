//! The picture, without a terminal and without a database.

mod keys;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sqlx::types::Uuid;

use super::draw::draw;
use super::keys::{Wish, press};
use super::state::{Over, Top};
use crate::model::id::RunId;
use crate::store::pauses::Pause;
use crate::store::top::{FailureCount, LiveRuns, LiveWorker, PendingLetter, TopLook};
use crate::store::why::{Waiting, WaitingGroup};

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

fn letter(id: u128, class: &str, message: &str) -> PendingLetter {
    PendingLetter {
        id: Uuid::from_u128(id),
        run: Uuid::from_u128(id + 0x100),
        workflow: "story".to_owned(),
        stage: "picture".to_owned(),
        item: Some(3),
        class: class.to_owned(),
        message: message.to_owned(),
        attempts: 6,
        dead_at: before(75),
    }
}

fn look() -> TopLook {
    let worker = |name: &str, slots, busy| LiveWorker { name: name.to_owned(), slots, busy, last_seen: before(2) };
    TopLook {
        runs: LiveRuns { at: now(), running: 12, blocked: 2 },
        queue: vec![
            group("critic", "slot", 4, "wait for a free slot of w1", "a free slot"),
            group("picture", "decision", 2, "given up after auth_failure", "piton dead-letter list"),
        ],
        pauses: vec![],
        workers: vec![worker("w1", Some(32), 31), worker("w2", None, 0)],
        failures: vec![FailureCount { class: "rate_limited".to_owned(), failures: 17, last_at: before(4) }],
        letters: vec![
            letter(1, "auth_failure", "the key is\nwrong: \u{1b}[2Jgone"),
            letter(2, "invalid_input", "scene 3 has no text"),
        ],
    }
}

fn paused(workflow: &str) -> Pause {
    let (workflow, reason) = (Some(workflow.to_owned()), "moving".to_owned());
    Pause { workflow, stage: None, reason, paused_by: "anna".to_owned(), paused_at: before(60) }
}

fn seen() -> Top {
    let mut top = Top::default();
    top.seen(look());
    top
}

fn picture(top: &Top) -> String {
    let mut terminal = Terminal::new(TestBackend::new(110, 26)).unwrap();
    terminal.draw(|frame| draw(frame, top)).unwrap();
    let lines: Vec<String> =
        terminal.backend().to_string().lines().map(|line| line.trim_matches('"').trim_end().to_owned()).collect();
    lines.join("\n")
}

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

#[test]
fn all_that_is_live_is_on_one_screen() {
    insta::assert_snapshot!(picture(&seen()), @r#"
Piton  runs: 12 running, 2 blocked · workers: 2, 31 of 32 slots busy
┌What waits and what runs────────────────────────────────────────┐┌Workers───────────────────────────────────┐
│  workflow       stage          reason     jobs     oldest      ││name             busy         seen ago    │
│  story          critic         slot       4        2 min       ││w1               31 of 32     2 s         │
│  story          picture        decision   2        1 min       ││w2               0 of ?       2 s         │
│                                                                ││                                          │
│                                                                │└──────────────────────────────────────────┘
│                                                                │┌Failures of the last hour─────────────────┐
│                                                                ││class            at least     last ago    │
│                                                                ││rate_limited     17           4 s         │
│                                                                ││                                          │
└────────────────────────────────────────────────────────────────┘└──────────────────────────────────────────┘
┌Dead letters that wait for a decision, the newest first─────────────────────────────────────────────────────┐
│  for          workflow       stage          class                tries message                             │
│> 1 min 15 s   story          picture[3]     auth_failure         6     the key is wrong:  [2Jgone          │
│  1 min 15 s   story          picture[3]     invalid_input        6     scene 3 has no text                 │
│                                                                                                            │
│                                                                                                            │
│                                                                                                            │
│                                                                                                            │
│                                                                                                            │
└────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
Dead letter 00000000-0000-0000-0000-000000000001 of run 00000000-0000-0000-0000-000000000101: the key is
wrong:  [2Jgone

q quit  ? help  Tab panel  r retry  d dismiss  c cancel run  Enter why  p pause  u resume
"#);
}

#[test]
fn a_database_that_is_away_is_told_above_what_was_seen_last() {
    let mut top = Top { trouble: Some("the database did not answer: pool timed out".to_owned()), ..Top::default() };
    let first = |top: &Top| picture(top).lines().next().unwrap().to_owned();
    assert_eq!(first(&top), "Piton  the database did not answer: pool timed out; asked again");
    top.seen(look());
    assert!(first(&top).starts_with("Piton  runs: 12 running"));
    (top.trouble, top.age) = (Some("the database did not answer: refused".to_owned()), Duration::from_secs(12));
    assert_eq!(first(&top), "Piton  as it was 12 s ago: the database did not answer: refused");
    assert!(picture(&top).contains("rate_limited"), "what was seen last stays");
}

#[test]
fn nothing_that_a_stage_says_moves_the_cursor_or_breaks_a_line() {
    let shown = picture(&seen());
    assert!(!shown.contains('\u{1b}'), "{shown}");
    assert!(shown.contains("the key is wrong:  [2Jgone"), "{shown}");
}

#[test]
fn a_small_or_an_odd_terminal_is_drawn_on_as_far_as_it_goes() {
    let mut top = seen();
    for over in [Over::Nothing, Over::Help] {
        top.over = over;
        for (width, height) in [(1, 1), (20, 3), (300, 2), (3, 100), (0, 0)] {
            Terminal::new(TestBackend::new(width, height)).unwrap().draw(|frame| draw(frame, &top)).unwrap();
        }
    }
}

#[test]
fn what_a_run_waits_for_lies_over_the_panels_and_scrolls() {
    let mut top = seen();
    assert_eq!(type_keys(&mut top, &[KeyCode::Enter]), [Wish::Why { run: run(1) }]);
    assert!(picture(&top).contains("asks the database"));
    let row = |stage: &str, item, why: &str, moves: &str| Waiting {
        run: run(1).0,
        workflow: "story".to_owned(),
        stage: stage.to_owned(),
        item,
        reason: "r".to_owned(),
        why: why.to_owned(),
        moves: moves.to_owned(),
        since: None,
        attempt: None,
    };
    let rows = vec![
        row(
            "picture",
            Some(3),
            "given up after auth_failure: the key is\nwrong",
            "piton dead-letter retry, or dismiss",
        ),
        row("assembly", None, "waits for picture", "their ends"),
    ];
    top.told_why(run(2), vec![]);
    assert!(picture(&top).contains("asks the database"), "an answer about another run is none about this one");
    top.told_why(run(1), rows.clone());
    insta::assert_snapshot!(picture(&top).lines().skip(10).take(6).collect::<Vec<_>>().join("\n"), @r#"
┌What run 00000000-0000-0000-0000-000000000101 waits for─────────────────────────────────────────────────────┐
│picture[3]: given up after auth_failure: the key is wrong                                                   │
│    moved by: piton dead-letter retry, or dismiss                                                           │
│assembly: waits for picture                                                                                 │
│    moved by: their ends                                                                                    │
└────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
"#);
    type_keys(&mut top, &[KeyCode::Down; 9]);
    assert!(matches!(&top.over, Over::Why(why) if why.above == 3), "the last line stays: {:?}", top.over);
    top.told_why(run(1), rows[..1].to_vec());
    assert!(matches!(&top.over, Over::Why(why) if why.above == 1), "also when there are fewer: {:?}", top.over);
    assert_eq!(type_keys(&mut top, &[KeyCode::Esc]), [], "it closes the window, and not the view");
    assert!(matches!(top.over, Over::Nothing));
}

#[test]
fn help_tells_every_key() {
    let mut top = seen();
    type_keys(&mut top, &[KeyCode::Char('?')]);
    insta::assert_snapshot!(picture(&top).lines().skip(4).take(17).collect::<Vec<_>>().join("\n"), @r#"
│  story          picture        decision   2        1 min       ││w2               0 of ?       2 s         │
│                                                                ││                                          │
│                   ┌Help────────────────────────────────────────────────────────────────┐───────────────────┘
│                   │up, down      choose a row (or k, j)                                │ur─────────────────┐
│                   │Tab           the other panel: dead letters, or what waits          │st     last ago    │
│                   │Enter         what the run of the chosen dead letter waits for      │       4 s         │
│                   │r             retry the chosen dead letter from the last checkpoint │                   │
└───────────────────│d             dismiss it: its run has failed; asks why              │───────────────────┘
┌Dead letters that w│c             cancel its run; asks why                              │───────────────────┐
│  for          work│p, u          pause the workflow of the chosen row, asks why; resume│                   │
│> 1 min 15 s   stor│q, Esc        quit; in a window or at a question, only leave that   │  [2Jgone          │
│  1 min 15 s   stor│Ctrl-C        quit                                                  │xt                 │
│                   │                                                                    │                   │
│                   │A row that goes away takes the choice with it: choose again.        │                   │
│                   │Failures are those of runs under way, given up or new: there        │                   │
│                   │may be more. What is typed here is also a command; see --help.      │                   │
│                   └────────────────────────────────────────────────────────────────────┘                   │
"#);
}
