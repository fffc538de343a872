//! What a key does: to what is shown, and which question to the database follows. Pure.

mod letters;
mod windows;
mod wish;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

pub(super) use self::wish::Wish;
use self::wish::refuse;
use super::state::{ALL, Ask, CauseName, Many, OpenCause, Over, Panel, Top};
use crate::store::top::Cause;

/// One key was pressed.
pub(super) fn press(top: &mut Top, key: KeyEvent) -> Option<Wish> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == KeyCode::Char('c')).then_some(Wish::Quit);
    }
    match std::mem::take(&mut top.over) {
        Over::Nothing if top.open.is_some() => letters::press(top, key.code),
        Over::Nothing => choose(top, key.code),
        Over::Help => None,
        Over::Prompt { ask, text } => windows::type_reason(top, ask, text, key.code),
        Over::Confirm(many) => windows::confirm(top, many, key.code),
        Over::Why(why) => {
            windows::scroll(top, why, key.code);
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
                Panel::Queue => Panel::Causes,
                Panel::Causes => Panel::Queue,
            }
        }
        KeyCode::Char('r' | 'd') | KeyCode::Enter => return decide(top, key),
        KeyCode::Char('c') => {
            refuse(top, "Open a cause with Enter first, and choose the dead letter of the run there.")
        }
        KeyCode::Char('p') => pause(top),
        KeyCode::Char('u') => return resume(top),
        _ => {}
    }
    None
}

/// About all dead letters of the chosen cause.
fn decide(top: &mut Top, key: KeyCode) -> Option<Wish> {
    let Some(many) = top.chosen_cause().map(Many::of) else {
        refuse(top, "Choose a cause of dead letters first: Tab goes to their panel, up and down choose.");
        return None;
    };
    match key {
        KeyCode::Char('r') => top.over = Over::Confirm(many),
        KeyCode::Char('d') => top.over = Over::Prompt { ask: Ask::DismissAll(many), text: String::new() },
        _ => {
            top.open = Some(OpenCause::of(many.cause.clone()));
            return Some(Wish::Letters(many.cause));
        }
    }
    None
}

impl Many {
    fn of(cause: &Cause) -> Many {
        Many { cause: CauseName::of(cause), letters: cause.letters, runs: cause.runs }
    }
}

fn pause(top: &mut Top) {
    match top.chosen_stage().map(|(workflow, _)| workflow.to_owned()) {
        Some(workflow) if workflow != ALL => {
            top.over = Over::Prompt { ask: Ask::Pause { workflow }, text: String::new() }
        }
        Some(_) | None => refuse(top, "Choose a row of the workflow first: up and down choose."),
    }
}

/// Takes back the closest pause that holds the chosen row.
fn resume(top: &mut Top) -> Option<Wish> {
    let Some((workflow, stage)) = top.chosen_stage() else {
        refuse(top, "Choose a row of the workflow first: up and down choose.");
        return None;
    };
    let pause = top.pause_of(workflow, stage);
    let wish = pause.map(|pause| Wish::Resume { workflow: pause.workflow.clone(), stage: pause.stage.clone() });
    if wish.is_none() {
        let why = format!("Nothing of {workflow} is paused.");
        refuse(top, &why);
    }
    wish
}
