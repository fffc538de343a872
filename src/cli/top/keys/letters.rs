//! What a key does while the dead letters of a cause are shown.

use ratatui::crossterm::event::KeyCode;

use super::wish::{Wish, refuse};
use crate::cli::top::state::{Ask, Over, Top, WhyRun};
use crate::model::id::RunId;

pub(super) fn press(top: &mut Top, key: KeyCode) -> Option<Wish> {
    top.said = None;
    let open = top.open.as_mut()?;
    match key {
        KeyCode::Esc | KeyCode::Backspace | KeyCode::Char('q') => top.open = None,
        KeyCode::Char('?') => top.over = Over::Help,
        KeyCode::Up | KeyCode::Char('k') => open.step(false),
        KeyCode::Down | KeyCode::Char('j') => open.step(true),
        KeyCode::Char('r' | 'd' | 'c') | KeyCode::Enter => return decide(top, key),
        _ => {}
    }
    None
}

/// About the dead letter that is chosen, or its run.
fn decide(top: &mut Top, key: KeyCode) -> Option<Wish> {
    let Some(chosen) = top.open.as_ref()?.chosen() else {
        refuse(top, "Choose a dead letter first: up and down choose.");
        return None;
    };
    let (letter, run) = (chosen.id, RunId(chosen.run));
    let ask = match key {
        KeyCode::Char('r') => return Some(Wish::Retry { letter, run }),
        KeyCode::Char('d') => Ask::Dismiss { letter, run },
        KeyCode::Char('c') => Ask::Cancel { run },
        _ => {
            top.over = Over::Why(WhyRun { run, rows: None, above: 0 });
            return Some(Wish::Why { run });
        }
    };
    top.over = Over::Prompt { ask, text: String::new() };
    None
}
