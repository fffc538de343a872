//! What a key does: to what is shown, and what is asked of the database because of it. Pure.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use sqlx::types::Uuid;

use super::state::{Ask, Over, Panel, Said, Top, WhyRun};
use crate::model::id::RunId;

/// What somebody wants that the screen alone cannot do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    Quit,
    Retry {
        letter: Uuid,
        run: RunId,
    },
    /// It was asked for, and a reason was given.
    Decide {
        ask: Ask,
        reason: String,
    },
    Resume {
        workflow: String,
    },
    Why {
        run: RunId,
    },
}

/// Characters of a reason.
const LONGEST_REASON: usize = 500;

/// One key was pressed.
pub(super) fn press(top: &mut Top, key: KeyEvent) -> Option<Wish> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == KeyCode::Char('c')).then_some(Wish::Quit);
    }
    match std::mem::take(&mut top.over) {
        Over::Nothing => choose(top, key.code),
        Over::Help => None,
        Over::Prompt { ask, text } => type_reason(top, ask, text, key.code),
        Over::Why(why) => {
            scroll(top, why, key.code);
            None
        }
    }
}

fn choose(top: &mut Top, key: KeyCode) -> Option<Wish> {
    top.said = None;
    match key {
        KeyCode::Char('q') | KeyCode::Esc => return Some(Wish::Quit),
        KeyCode::Char('?') => top.over = Over::Help,
        KeyCode::Up | KeyCode::Char('k') => top.step(false),
        KeyCode::Down | KeyCode::Char('j') => top.step(true),
        KeyCode::Tab | KeyCode::BackTab => {
            top.panel = match top.panel {
                Panel::Queue => Panel::Letters,
                Panel::Letters => Panel::Queue,
            }
        }
        KeyCode::Char('r' | 'd' | 'c') | KeyCode::Enter => return decide(top, key),
        KeyCode::Char('p' | 'u') => return pause_or_resume(top, key),
        _ => {}
    }
    None
}

/// About the dead letter that is chosen, or its run.
fn decide(top: &mut Top, key: KeyCode) -> Option<Wish> {
    let Some(chosen) = top.chosen_letter() else {
        top.said =
            Some(Said::Refused("Choose a dead letter first: Tab goes to their panel, up and down choose.".into()));
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

fn pause_or_resume(top: &mut Top, key: KeyCode) -> Option<Wish> {
    let Some(workflow) = top.chosen_workflow().map(str::to_owned) else {
        top.said = Some(Said::Refused("Choose a row of the workflow first: up and down choose.".into()));
        return None;
    };
    if key == KeyCode::Char('u') {
        return Some(Wish::Resume { workflow });
    }
    top.over = Over::Prompt { ask: Ask::Pause { workflow }, text: String::new() };
    None
}

fn type_reason(top: &mut Top, ask: Ask, mut text: String, key: KeyCode) -> Option<Wish> {
    match key {
        KeyCode::Esc => {
            top.said = Some(Said::Done("Nothing was done.".into()));
            return None;
        }
        KeyCode::Enter if text.trim().is_empty() => {
            top.said = Some(Said::Refused("A reason is asked for, for the record; Esc leaves it.".into()));
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

fn scroll(top: &mut Top, mut why: WhyRun, key: KeyCode) {
    let last = why.last_line();
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
