//! What each key does, and that it acts on the right thing.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sqlx::types::Uuid;

use super::{COMMON, SMALL, cause, letter, look, opened, paused, picture, run, seen, text, type_keys};
use crate::cli::top::keys::{Wish, press};
use crate::cli::top::state::{Ask, CauseName, Many, Over, Said, Top};
use crate::store::top::TopLook;

#[test]
fn a_dead_letter_is_retried_by_one_key_and_the_one_that_is_meant() {
    let mut top = opened();
    let both = type_keys(&mut top, &[KeyCode::Char('r'), KeyCode::Down, KeyCode::Char('r')]);
    let retry = |id| Wish::Retry { letter: Uuid::from_u128(id), run: run(id) };
    assert_eq!(both, [retry(1), retry(2)]);
    // A new one comes on top, and the choice goes along with its row.
    let name = CauseName::of(&look().causes[0]);
    let later = vec![letter(9, "new"), letter(1, "old"), letter(2, "older")];
    top.told_letters(&name, later.clone());
    assert_eq!(type_keys(&mut top, &[KeyCode::Char('r')]), [retry(2)]);
    // Letters of another cause come late, and are none of these.
    top.told_letters(&CauseName { fingerprint: "another".to_owned(), ..name.clone() }, vec![letter(7, "no")]);
    assert_eq!(type_keys(&mut top, &[KeyCode::Char('r')]), [retry(2)]);
    // Somebody else decides about it: no other one is hit.
    top.told_letters(&name, later[..2].to_vec());
    assert_eq!(type_keys(&mut top, &[KeyCode::Char('r')]), []);
    assert!(matches!(&top.said, Some(Said::Refused(said)) if said.contains("Choose a dead letter")));
    assert_eq!(type_keys(&mut top, &[KeyCode::Down, KeyCode::Char('r')]), [retry(1)]);
}

#[test]
fn a_whole_cause_is_retried_after_a_yes_that_was_told_how_many_it_is_about() {
    let mut top = seen();
    let first = CauseName::of(&look().causes[0]);
    assert_eq!(type_keys(&mut top, &[KeyCode::Char('r')]), [], "it is only asked");
    let asked = "Retry 812 dead letters of 811 runs: all of story, picture, cause";
    assert!(picture(&top, SMALL).contains(asked), "{}", picture(&top, SMALL));
    // Meanwhile a bigger cause comes on top.
    let mut later = look();
    later.causes.insert(0, cause("ffff", "unknown", 5000, "new"));
    top.seen(later);
    assert_eq!(type_keys(&mut top, &[KeyCode::Char('y')]), [Wish::RetryAll(first)], "the one that was asked about");
    for no in [KeyCode::Char('n'), KeyCode::Enter, KeyCode::Esc, KeyCode::Char(' ')] {
        let mut top = seen();
        assert_eq!(type_keys(&mut top, &[KeyCode::Char('r'), no, KeyCode::Char('y')]), []);
        type_keys(&mut top, &[KeyCode::Char('r'), no]);
        assert!(picture(&top, SMALL).contains("Nothing was done."), "{no:?}");
    }
}

#[test]
fn a_whole_cause_is_dismissed_for_a_reason_and_the_question_says_how_many_runs_fail() {
    let mut top = seen();
    type_keys(&mut top, &[KeyCode::Down, KeyCode::Char('d')]);
    type_keys(&mut top, &text("test data"));
    let shown = picture(&top, SMALL);
    assert!(
        shown.contains("\nDismiss 6 dead letters of story, picture, and end 5 runs as failed. Why?\ntest data_\n"),
        "{shown}"
    );
    let cause = CauseName::of(&look().causes[1]);
    let ask = Ask::DismissAll(Many { cause, letters: 6, runs: 5 });
    let wish = Wish::Decide { ask, reason: "test data".to_owned() };
    assert_eq!(type_keys(&mut top, &[KeyCode::Enter]), [wish]);
}

#[test]
fn a_reason_is_asked_for_and_nothing_is_done_without_one() {
    let mut top = opened();
    assert_eq!(type_keys(&mut top, &[KeyCode::Char('d'), KeyCode::Char(' '), KeyCode::Enter]), []);
    assert!(matches!(top.said, Some(Said::Refused(_))) && matches!(top.over, Over::Prompt { .. }));
    // Letters that are keys elsewhere are letters here, and the list may change meanwhile.
    type_keys(&mut top, &text("quiet, please?x"));
    top.told_letters(&CauseName::of(&look().causes[0]), vec![]);
    let done = type_keys(&mut top, &[KeyCode::Backspace, KeyCode::Enter]);
    let ask = Ask::Dismiss { letter: Uuid::from_u128(1), run: run(1) };
    assert_eq!(done, [Wish::Decide { ask, reason: "quiet, please?".to_owned() }]);
    assert!(matches!(top.over, Over::Nothing));

    let mut top = opened();
    type_keys(&mut top, &[KeyCode::Down, KeyCode::Char('c')]);
    type_keys(&mut top, &text("old"));
    let asked = "\nCancel run 00000000-0000-0000-0000-000000000102. Why?\nold_\n";
    assert!(picture(&top, SMALL).contains(asked), "{}", picture(&top, SMALL));
    assert_eq!(type_keys(&mut top, &[KeyCode::Esc]), [], "Esc leaves the question");
    assert!(picture(&top, SMALL).contains("Nothing was done."));
    type_keys(&mut top, &[KeyCode::Char('c')]);
    type_keys(&mut top, &text("old"));
    let cancel = Wish::Decide { ask: Ask::Cancel { run: run(2) }, reason: "old".to_owned() };
    assert_eq!(type_keys(&mut top, &[KeyCode::Enter]), [cancel]);
}

#[test]
fn a_workflow_is_paused_from_either_table() {
    for panel in [&[][..], &[KeyCode::Tab]] {
        let mut top = seen();
        type_keys(&mut top, panel);
        type_keys(&mut top, &[KeyCode::Char('p'), KeyCode::Char('x')]);
        let ask = Ask::Pause { workflow: "story".to_owned() };
        assert_eq!(type_keys(&mut top, &[KeyCode::Enter]), [Wish::Decide { ask, reason: "x".to_owned() }]);
    }
}

#[test]
fn what_is_resumed_is_the_closest_pause_that_holds_the_chosen_row() {
    let resumed = |pauses: &[(Option<&str>, Option<&str>)]| {
        let pauses = pauses.iter().map(|(workflow, stage)| paused(*workflow, *stage)).collect();
        let mut top = Top::default();
        top.seen(TopLook { pauses, ..look() });
        (type_keys(&mut top, &[KeyCode::Char('u')]), top)
    };
    let wish = |workflow: Option<&str>, stage: Option<&str>| Wish::Resume {
        workflow: workflow.map(str::to_owned),
        stage: stage.map(str::to_owned),
    };
    let (all, story, picture) = ((None, None), (Some("story"), None), (Some("story"), Some("picture")));
    assert_eq!(resumed(&[all, story, picture]).0, [wish(Some("story"), Some("picture"))]);
    assert_eq!(resumed(&[all, story]).0, [wish(Some("story"), None)]);
    assert_eq!(resumed(&[all]).0, [wish(None, None)]);
    let (wishes, top) = resumed(&[(Some("story"), Some("another"))]);
    assert!(wishes.is_empty() && top.said == Some(Said::Refused("Nothing of story is paused.".to_owned())));
}

#[test]
fn what_is_paused_and_of_which_nothing_waits_can_still_be_resumed() {
    for (workflow, stage) in [(Some("idle"), None), (Some("idle"), Some("cut")), (None, None)] {
        let mut top = Top::default();
        top.seen(TopLook { queue: vec![], causes: vec![], pauses: vec![paused(workflow, stage)], ..look() });
        let wishes = type_keys(&mut top, &[KeyCode::Char('u'), KeyCode::Tab, KeyCode::Char('u')]);
        let [workflow, stage] = [workflow, stage].map(|name| name.map(str::to_owned));
        assert_eq!(wishes, [Wish::Resume { workflow, stage }], "in the table of causes nothing is chosen");
        let shown = picture(&top, COMMON);
        assert!(shown.contains("is paused by anna: \"moving\"") && shown.contains("resume"), "{shown}");
    }
}

#[test]
fn what_is_of_dead_letters_says_so_where_none_is_chosen() {
    for key in [KeyCode::Char('r'), KeyCode::Char('d'), KeyCode::Char('c'), KeyCode::Enter] {
        let mut top = seen();
        assert_eq!(type_keys(&mut top, &[KeyCode::Tab, key]), []);
        assert!(matches!(top.said, Some(Said::Refused(_))) && matches!(top.over, Over::Nothing), "{key:?}");
    }
    let mut top = seen();
    assert_eq!(type_keys(&mut top, &[KeyCode::Char('c')]), []);
    assert!(picture(&top, SMALL).contains("Open a cause with Enter first"), "a run is cancelled by name only");
}

#[test]
fn quitting_is_one_key_and_ctrl_c_quits_from_anywhere() {
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    for keys in [&[][..], &[KeyCode::Char('?')], &[KeyCode::Char('d')], &[KeyCode::Char('r')], &[KeyCode::Enter]] {
        let mut top = seen();
        type_keys(&mut top, keys);
        assert_eq!(press(&mut top, control_c), Some(Wish::Quit));
    }
    for key in [KeyCode::Char('q'), KeyCode::Esc] {
        assert_eq!(type_keys(&mut Top::default(), &[key]), [Wish::Quit]);
    }
    // Help is left by any key, and does nothing else.
    let mut top = seen();
    assert_eq!(type_keys(&mut top, &[KeyCode::Char('?'), KeyCode::Char('q')]), []);
    assert!(matches!(top.over, Over::Nothing));
}
