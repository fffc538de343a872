//! `piton top`: everything live on one screen, and keys to act on it.

pub(super) mod args;
mod columns;
mod decide;
mod detail;
mod draw;
mod keys;
mod open;
mod over;
mod panels;
mod screen;
mod selection;
mod state;
#[cfg(test)]
mod tests;
mod text;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use ratatui::crossterm::event::Event;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until};

use self::args::TopArgs;
use self::decide::{Answer, carry_out};
use self::keys::{Wish, press};
use self::screen::Screen;
use self::state::{Over, Top};
use super::args::Global;
use super::database::Database;
use super::exit::Exit;
use super::refusal::{actor, name};
use crate::config;
use crate::store::top::TopLook;
use crate::store::{Store, StoreError};

pub(crate) async fn top(global: Global, args: TopArgs) -> anyhow::Result<Exit> {
    if global.json || !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        let program = config::program();
        bail!(
            "`top` needs a terminal, and there is none here. What is stuck and why, as text:  {program} why\n\
             and for programs:  {program} why --json"
        );
    }
    let database = Database::open(&global).await?;
    let watched = Watch::new(database.store.clone(), &args).until_quit().await;
    database.close().await;
    watched?;
    Ok(Exit::Done)
}

/// What the view is told by the database.
enum Heard {
    /// With how long it took.
    Look(Result<TopLook, StoreError>, Duration),
    Answer(Answer),
}

/// A look may take one part in this many of the time: a database with a million jobs has other things to do.
const SHARE: u32 = 5;

/// The view, and what it waits for.
struct Watch {
    store: Store,
    every: Duration,
    by: Arc<str>,
    top: Top,
    asked: JoinSet<Heard>,
    /// One look at a time.
    looking: bool,
    next_look: Instant,
    seen_at: Instant,
}

impl Watch {
    fn new(store: Store, args: &TopArgs) -> Watch {
        let (now, by) = (Instant::now(), name(args.by.clone()).into());
        let (top, asked) = (Top::new(config::program()), JoinSet::new());
        Watch { store, every: args.every, by, top, asked, looking: false, next_look: now, seen_at: now }
    }

    async fn until_quit(mut self) -> anyhow::Result<()> {
        let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
        let mut screen = Screen::open().context("the terminal cannot be drawn on")?;
        let mut events = screen::events();
        let mut clock = interval(Duration::from_secs(1));
        loop {
            self.top.age = self.seen_at.elapsed();
            screen.draw(&self.top)?;
            tokio::select! {
                event = events.recv() => {
                    let event = event.context("the terminal is gone")?.context("the terminal cannot be read")?;
                    if let Event::Key(key) = event
                        && let Some(wish) = press(&mut self.top, key)
                    {
                        if wish == Wish::Quit {
                            return Ok(());
                        }
                        self.carry_out(wish);
                    }
                }
                Some(heard) = self.asked.join_next() => self.hear(heard?),
                () = sleep_until(self.next_look), if !self.looking => self.look(),
                _ = clock.tick() => {}
                _ = terminate.recv() => return Ok(()),
                _ = hang_up.recv() => return Ok(()),
            }
        }
    }

    fn look(&mut self) {
        self.looking = true;
        let store = self.store.clone();
        self.asked.spawn(async move {
            let begun = Instant::now();
            let look = store.top_look().await;
            Heard::Look(look, begun.elapsed())
        });
        // What lies over the panels is kept up to date too.
        if let Some(open) = &self.top.open {
            let cause = open.name.clone();
            self.carry_out(Wish::Letters(cause));
        }
        if let Over::Why(why) = &self.top.over {
            let run = why.run;
            self.carry_out(Wish::Why { run });
        }
    }

    fn carry_out(&mut self, wish: Wish) {
        let (store, by) = (self.store.clone(), Arc::clone(&self.by));
        self.asked.spawn(async move { Heard::Answer(carry_out(&store, wish, actor(&by)).await) });
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Look(look, took) => {
                self.looking = false;
                self.next_look = Instant::now() + self.every.max(took * (SHARE - 1));
                match look {
                    Ok(look) => {
                        self.seen_at = Instant::now();
                        self.top.seen(look);
                    }
                    Err(error) => self.top.trouble = Some(error.to_string()),
                }
            }
            Heard::Answer(Answer::Said(said)) => {
                self.top.said = Some(said);
                self.next_look = Instant::now();
            }
            Heard::Answer(Answer::Why(run, rows)) => self.top.told_why(run, rows),
            Heard::Answer(Answer::Letters(cause, letters)) => self.top.told_letters(&cause, letters),
            Heard::Answer(Answer::Nothing) => {}
        }
    }
}
