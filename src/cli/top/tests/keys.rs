//! What each key does, and that it hits what is meant.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sqlx::types::Uuid;

use super::{letter, look, paused, picture, run, seen, text, type_keys};
use crate::cli::top::keys::{Wish, press};
use crate::cli::top::state::{Ask, Over, Said, Top};
use crate::store::top::TopLook;

#[test]
fn a_dead_letter_is_retried_by_one_key_and_the_one_that_is_meant() {
    let mut top = seen();
    let both = type_keys(&mut top, &[KeyCode::Char('r'), KeyCode::Down, KeyCode::Char('r')]);
    let retry = |id| Wish::Retry { letter: Uuid::from_u128(id), run: run(id) };
    assert_eq!(both, [retry(1), retry(2)]);
    // A new one comes on top, and the choice goes along with its row.
    let mut later = look();
    later.letters.insert(0, letter(9, "unknown", "new"));
    top.seen(later.clone());
    assert_eq!(type_keys(&mut top, &[KeyCode::Char('r')]), [retry(2)]);
    // Somebody else decides about it: no other one is hit.
    later.letters.retain(|letter| letter.id != Uuid::from_u128(2));
    top.seen(later);
    assert_eq!(type_keys(&mut top, &[KeyCode::Char('r')]), []);
    assert!(matches!(&top.said, Some(Said::Refused(said)) if said.contains("Choose a dead letter")));
    assert_eq!(type_keys(&mut top, &[KeyCode::Down, KeyCode::Char('r')]), [retry(1)]);
}

#[test]
fn a_reason_is_asked_for_and_nothing_is_done_without_one() {
    let mut top = seen();
    assert_eq!(type_keys(&mut top, &[KeyCode::Char('d'), KeyCode::Char(' '), KeyCode::Enter]), []);
    assert!(matches!(top.said, Some(Said::Refused(_))) && matches!(top.over, Over::Prompt { .. }));
    // Letters that are keys elsewhere are letters here, and the list may change meanwhile.
    type_keys(&mut top, &text("quiet, please?x"));
    top.seen(TopLook { letters: vec![], ..look() });
    let done = type_keys(&mut top, &[KeyCode::Backspace, KeyCode::Enter]);
    let ask = Ask::Dismiss { letter: Uuid::from_u128(1), run: run(1) };
    assert_eq!(done, [Wish::Decide { ask, reason: "quiet, please?".to_owned() }]);
    assert!(matches!(top.over, Over::Nothing));

    let mut top = seen();
    type_keys(&mut top, &[KeyCode::Down, KeyCode::Char('c')]);
    type_keys(&mut top, &text("old"));
    assert!(picture(&top).contains("Cancel run 00000000-0000-0000-0000-000000000102. Why? old_"));
    assert_eq!(type_keys(&mut top, &[KeyCode::Esc]), [], "Esc leaves the question");
    assert!(picture(&top).contains("Nothing was done."));
    type_keys(&mut top, &[KeyCode::Char('c')]);
    type_keys(&mut top, &text("old"));
    let cancel = Wish::Decide { ask: Ask::Cancel { run: run(2) }, reason: "old".to_owned() };
    assert_eq!(type_keys(&mut top, &[KeyCode::Enter]), [cancel]);
}

#[test]
fn a_workflow_is_paused_and_resumed_from_either_panel() {
    for panel in [&[][..], &[KeyCode::Tab]] {
        let mut top = seen();
        type_keys(&mut top, panel);
        type_keys(&mut top, &[KeyCode::Char('p'), KeyCode::Char('x')]);
        let ask = Ask::Pause { workflow: "story".to_owned() };
        assert_eq!(type_keys(&mut top, &[KeyCode::Enter]), [Wish::Decide { ask, reason: "x".to_owned() }]);
        let resume = Wish::Resume { workflow: "story".to_owned() };
        assert_eq!(type_keys(&mut top, &[KeyCode::Char('u')]), [resume]);
    }
}

#[test]
fn a_paused_workflow_of_which_nothing_waits_can_still_be_resumed() {
    let mut top = Top::default();
    top.seen(TopLook { queue: vec![], letters: vec![], pauses: vec![paused("idle")], ..look() });
    let wishes = type_keys(&mut top, &[KeyCode::Char('u'), KeyCode::Tab, KeyCode::Char('u')]);
    assert_eq!(
        wishes,
        [Wish::Resume { workflow: "idle".to_owned() }],
        "in the panel of dead letters nothing is chosen"
    );
    assert!(picture(&top).contains("the workflow is paused by anna: \"moving\""), "{}", picture(&top));
}

#[test]
fn what_is_of_dead_letters_says_so_in_the_other_panel() {
    for key in [KeyCode::Char('r'), KeyCode::Char('d'), KeyCode::Char('c'), KeyCode::Enter] {
        let mut top = seen();
        assert_eq!(type_keys(&mut top, &[KeyCode::Tab, key]), []);
        assert!(matches!(top.said, Some(Said::Refused(_))) && matches!(top.over, Over::Nothing), "{key:?}");
    }
}

#[test]
fn quitting_is_one_key_and_ctrl_c_quits_from_anywhere() {
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    for keys in [&[][..], &[KeyCode::Char('?')], &[KeyCode::Char('d')], &[KeyCode::Enter]] {
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
