//! What a key does to a question, or to a window over the panels.

use ratatui::crossterm::event::KeyCode;

use super::wish::{Wish, refuse};
use crate::cli::top::state::{Ask, Many, Over, Said, Top, WhyRun};

/// Characters of a reason.
const LONGEST_REASON: usize = 500;

pub(super) fn type_reason(top: &mut Top, ask: Ask, mut text: String, key: KeyCode) -> Option<Wish> {
    match key {
        KeyCode::Esc => {
            top.said = Some(Said::Done("Nothing was done.".into()));
            return None;
        }
        KeyCode::Enter if text.trim().is_empty() => {
            refuse(top, "Type a reason, for the record; Esc goes back.");
        }
        KeyCode::Enter => return Some(Wish::Decide { ask, reason: text.trim().to_owned() }),
        KeyCode::Backspace => {
            text.pop();
        }
        KeyCode::Char(typed) if text.chars().count() < LONGEST_REASON => text.push(typed),
        _ => {}
    }
    top.over = Over::Prompt { ask, text };
    None
}

/// Nothing but a plain yes is one.
pub(super) fn confirm(top: &mut Top, many: Many, key: KeyCode) -> Option<Wish> {
    if matches!(key, KeyCode::Char('y' | 'Y')) {
        return Some(Wish::RetryAll(many.cause));
    }
    top.said = Some(Said::Done("Nothing was done.".into()));
    None
}

pub(super) fn scroll(top: &mut Top, mut why: WhyRun, key: KeyCode) {
    let last = why.last();
    why.above = match key {
        KeyCode::Up | KeyCode::Char('k') => why.above.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => why.above.saturating_add(1).min(last),
        KeyCode::PageUp => why.above.saturating_sub(10),
        KeyCode::PageDown => why.above.saturating_add(10).min(last),
        // Whatever else it is, it closes the window.
        _ => return,
    };
    top.over = Over::Why(why);
}
