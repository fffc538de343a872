//! The terminal: taken over, read, and restored however this ends.

use std::io;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use tokio::sync::mpsc;

use super::draw::draw;
use super::state::Top;

/// Taken over as long as this lives. A panic gives it back before its message is printed.
pub(super) struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    pub(super) fn open() -> io::Result<Screen> {
        match ratatui::try_init() {
            Ok(terminal) => Ok(Screen { terminal }),
            Err(error) => {
                // It may have been taken over halfway.
                ratatui::try_restore().ok();
                Err(error)
            }
        }
    }

    pub(super) fn draw(&mut self, top: &Top) -> io::Result<()> {
        self.terminal.draw(|frame| draw(frame, top))?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Where the terminal is gone, there is nobody to tell.
        self.terminal.show_cursor().ok();
        ratatui::try_restore().ok();
    }
}

/// How soon the reader notices that nobody listens: what is typed after that is for the shell.
const LISTENS: Duration = Duration::from_millis(50);

/// Keys and changes of size, read on a thread of their own, for a read of a terminal cannot be given up. Ends with the first
/// error, which is the last thing it says.
pub(super) fn events() -> mpsc::Receiver<io::Result<Event>> {
    let (sender, receiver) = mpsc::channel(64);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            let read = match event::poll(LISTENS) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            if sender.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    receiver
}
