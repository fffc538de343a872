//! What stands between a process and Postgres, counts its statements, and stops at one of them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// On which side of a statement a process is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// It was sent, and is never committed.
    Before,
    /// It has taken effect, and the process never hears of that.
    After,
}

struct Shared {
    socket: PathBuf,
    stop_at: (usize, Side),
    seen: AtomicUsize,
    /// Questions whether a connection still answers: nothing was executed before them.
    pings: AtomicUsize,
    /// Nothing is let through any more.
    is_stopped: AtomicBool,
    reached: Mutex<Sender<()>>,
}

/// A port that leads to Postgres.
pub(crate) struct Statements {
    port: u16,
    reached: Receiver<()>,
    shared: Arc<Shared>,
}

impl Statements {
    /// In front of the server whose socket is in that folder.
    pub(crate) fn before(folder: &Path, stop_at: (usize, Side)) -> Statements {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut entries = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        let is_socket = |path: &PathBuf| {
            path.to_string_lossy().contains(".s.PGSQL.") && path.extension().is_some_and(|end| end != "lock")
        };
        let socket = entries.find(is_socket).unwrap();
        let (reach, reached) = channel();
        let (seen, pings, is_stopped) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { socket, stop_at, seen, pings, is_stopped, reached: Mutex::new(reach) });
        let serving = Arc::clone(&shared);
        // For as long as the tests last: nobody connects any more when its own is over.
        thread::spawn(move || {
            for client in listener.incoming() {
                serving.serve(client.unwrap());
            }
        });
        Statements { port, reached, shared }
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgresql://piton@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Stops at none of them.
    pub(crate) fn counted(folder: &Path) -> Statements {
        Statements::before(folder, (usize::MAX, Side::Before))
    }

    /// How many statements were sent, and how many questions whether a connection still answers.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.shared.seen.load(Ordering::SeqCst), self.shared.pings.load(Ordering::SeqCst))
    }

    /// Waits until the statement is reached; `false` when the process ended without.
    pub(crate) fn is_reached(&self, mut has_ended: impl FnMut() -> bool) -> bool {
        loop {
            if self.reached.recv_timeout(std::time::Duration::from_millis(10)).is_ok() {
                return true;
            }
            if has_ended() {
                return self.reached.try_recv().is_ok();
            }
        }
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, client: TcpStream) {
        let server = UnixStream::connect(&self.socket).unwrap();
        let (to_client, from_server, answers) =
            (client.try_clone().unwrap(), server.try_clone().unwrap(), Arc::clone(self));
        thread::spawn(move || answers.pass_answers(from_server, to_client));
        let asks = Arc::clone(self);
        thread::spawn(move || {
            asks.pass_statements(client, &server);
            // As the system does for a process that is killed.
            server.shutdown(std::net::Shutdown::Both).ok();
        });
    }

    /// A message is a letter, its length, and what it says; only the first one of a session has no letter.
    fn pass_statements(&self, mut from: TcpStream, mut to: &UnixStream) -> Option<()> {
        let first = message(&mut from, false)?;
        to.write_all(&first).ok()?;
        let (mut executes, mut prepares) = (false, false);
        loop {
            let next = message(&mut from, true)?;
            executes |= matches!(next[0], b'E' | b'Q');
            prepares |= next[0] == b'P';
            if next[0] == b'S' && !std::mem::take(&mut prepares) && !executes {
                self.pings.fetch_add(1, Ordering::SeqCst);
            }
            let is_whole = matches!(next[0], b'S' | b'Q') && std::mem::take(&mut executes);
            if is_whole {
                let number = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
                match self.stop_at {
                    (at, Side::Before) if at == number => {
                        self.is_stopped.store(true, Ordering::SeqCst);
                        self.reached.lock().unwrap().send(()).ok();
                    }
                    (at, Side::After) if at == number => self.is_stopped.store(true, Ordering::SeqCst),
                    _ => {}
                }
                if self.is_stopped.load(Ordering::SeqCst) && self.stop_at != (number, Side::After) {
                    // Open until the process is killed: a connection that breaks is another trouble.
                    return from.read(&mut [0]).ok().map(|_| ());
                }
            }
            to.write_all(&next).ok()?;
        }
    }

    fn pass_answers(&self, mut from: UnixStream, mut to: TcpStream) -> Option<()> {
        loop {
            let next = message(&mut from, true)?;
            if self.is_stopped.load(Ordering::SeqCst) {
                if next[0] == b'Z' {
                    self.reached.lock().unwrap().send(()).ok();
                }
                continue;
            }
            to.write_all(&next).ok()?;
        }
    }
}

fn message(from: &mut impl Read, has_letter: bool) -> Option<Vec<u8>> {
    let mut whole = vec![0; if has_letter { 5 } else { 4 }];
    from.read_exact(&mut whole).ok()?;
    let length = u32::from_be_bytes(whole[whole.len() - 4..].try_into().unwrap()) as usize;
    let begin = whole.len();
    whole.resize(begin + length - 4, 0);
    from.read_exact(&mut whole[begin..]).ok()?;
    Some(whole)
}
