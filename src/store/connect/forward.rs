//! The part of this process between sqlx and a server behind TCP. It listens in a folder that no other user can enter, and
//! reports to sqlx as Postgres would.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;

use super::address::{Address, Place};
use super::dial::{BROKEN, dial, of_io};
use super::error::AddressError;
use super::flow::{Flows, Silence};
use super::hosts::Hosts;
use super::relay::{self, End, Ended};

/// Number of the socket whose connections may not be silent while an answer is due.
pub(super) const SWIFT: u16 = 1;
/// Number of the socket whose connections wait for a statement for as long as it takes.
pub(super) const PATIENT: u16 = 2;
/// From here on, a number for each server of the address.
const FIRST_SERVER: u16 = 10;

const PREFIX: &str = "piton-db-";
/// A path of a socket is no longer than that, on every system.
const LONGEST: usize = 100;
/// Connections that die within that time die of one cause.
const SAID_ONCE: Duration = Duration::from_secs(30);
/// A folder that is younger than that may be about to be used.
const YOUNG: Duration = Duration::from_secs(60);

/// Listens as long as it lives.
#[derive(Debug)]
pub(super) struct Forwarder {
    folder: TempDir,
    listening: Vec<AbortHandle>,
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.listening.iter().for_each(AbortHandle::abort);
    }
}

/// What every connection needs to know.
#[derive(Debug)]
struct Shared {
    hosts: Hosts,
    flows: Flows,
    folder: PathBuf,
    /// When a connection was last said to be lost.
    said: Mutex<Option<Instant>>,
}

impl Forwarder {
    /// `silence` is how long a server may owe an answer to the swift connections.
    pub(super) fn start(address: Address, silence: Duration) -> Result<Forwarder, AddressError> {
        let cannot = |error: io::Error| {
            AddressError::new(format!(
                "no folder for a socket can be made: {error}; let TMPDIR name a folder that can be written to"
            ))
        };
        let folder = make_folder().map_err(cannot)?;
        let at_first = Some(address.connect_timeout.unwrap_or(Duration::from_secs(60)));
        let servers = u16::try_from(address.places.len()).unwrap_or(u16::MAX - FIRST_SERVER);
        let shared = Arc::new(Shared {
            hosts: Hosts::new(address),
            flows: Flows::default(),
            folder: folder.path().to_owned(),
            said: Mutex::default(),
        });
        let sockets = [SWIFT, PATIENT].into_iter().chain((0..servers).map(|server| FIRST_SERVER + server));
        let listening = sockets.map(|socket| {
            let listener = UnixListener::bind(path(folder.path(), socket))?;
            let later = (socket != PATIENT).then_some(silence);
            let task = listen(listener, shared.clone(), socket, Silence { at_first, later });
            Ok(tokio::spawn(task).abort_handle())
        });
        let listening = listening.collect::<io::Result<_>>().map_err(cannot)?;
        Ok(Forwarder { folder, listening })
    }

    /// How sqlx reaches that socket.
    pub(super) fn options(&self, address: &Address, socket: u16) -> PgConnectOptions {
        through(self.folder.path(), address, socket)
    }
}

fn path(folder: &Path, socket: u16) -> PathBuf {
    folder.join(format!(".s.PGSQL.{socket}"))
}

/// TLS is spoken behind the socket.
fn through(folder: &Path, address: &Address, socket: u16) -> PgConnectOptions {
    address.session().host("localhost").socket(folder).port(socket).ssl_mode(PgSslMode::Disable)
}

/// A machine may forbid to write in most places; the memory is left then.
fn make_folder() -> io::Result<TempDir> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let places = [Some(std::env::temp_dir()), runtime, Some("/tmp".into()), Some("/dev/shm".into())];
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for place in places.into_iter().flatten() {
        delete_abandoned(&place);
        let name = format!("{PREFIX}{}-", std::process::id());
        let mode = std::fs::Permissions::from_mode(0o700);
        match tempfile::Builder::new().prefix(&name).permissions(mode).tempdir_in(&place) {
            Ok(folder) if path(folder.path(), u16::MAX).as_os_str().len() <= LONGEST => return Ok(folder),
            Ok(_) => last = io::Error::other(format!("the path of {} is too long", place.display())),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What processes left that were killed: nobody listens there any more.
fn delete_abandoned(place: &Path) {
    let Ok(entries) = std::fs::read_dir(place) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let modified = entry.metadata().and_then(|about| about.modified());
        let is_old = modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > YOUNG));
        let answers = || std::os::unix::net::UnixStream::connect(path(&entry.path(), SWIFT));
        // Another user's folder cannot be entered, and is left alone.
        let refused =
            |error: io::Error| matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound);
        if is_folder && is_old && answers().is_err_and(refused) {
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
}

async fn listen(listener: UnixListener, shared: Arc<Shared>, socket: u16, silence: Silence) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => drop(tokio::spawn(shared.clone().serve(client, socket, silence))),
            // Too many open files; some will be closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

impl Shared {
    async fn serve(self: Arc<Shared>, mut client: UnixStream, socket: u16, silence: Silence) {
        let Ok(startup) = relay::startup(&mut client).await else { return };
        let address = &self.hosts.address;
        let found = match socket.checked_sub(FIRST_SERVER).and_then(|n| address.places.get(usize::from(n))) {
            Some(place) => dial(address, place).await.map(|wire| (wire, place.clone())),
            None => {
                let session = |number: usize| {
                    through(&self.folder, address, FIRST_SERVER + u16::try_from(number).unwrap_or_default())
                };
                self.hosts.find(session).await
            }
        };
        let (wire, place) = match found {
            Ok(found) => found,
            Err(error) => return relay::last_word(&mut client, &error.code, &error.reason).await,
        };
        let ended = relay::carry(&mut client, wire, &startup, silence, &self.flows).await;
        let reason = match &ended.how {
            End::Client | End::Closed => return,
            End::Silent(Some(limit)) => format!("{place} has been silent for {:.0} s", limit.as_secs_f64()),
            End::Silent(None) => format!("{place} does not answer any more"),
            End::Broken(error) => format!("the connection to {place} broke: {}", of_io(error)),
        };
        self.hosts.passes_over(&place);
        self.say(&place, socket, &reason);
        if ended.is_between {
            relay::last_word(&mut client, BROKEN, &reason).await;
        }
        drop(client);
        self.cancel(&place, &ended).await;
    }

    /// Once for all the connections that die of one cause. Those who ask for themselves read it in their error.
    fn say(&self, place: &Place, socket: u16, reason: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if socket != SWIFT || said.is_some_and(|at| at.elapsed() < SAID_ONCE) {
            return;
        }
        *said = Some(Instant::now());
        tracing::warn!(database = %place, "{reason}; the connection is given up, and work goes on over a new one");
    }

    /// A server that lives, and is only slow, is not to go on with what nobody waits for.
    async fn cancel(&self, place: &Place, ended: &Ended) {
        let (End::Silent(_), Some(key)) = (&ended.how, ended.key) else { return };
        let Ok(mut wire) = dial(&self.hosts.address, place).await else { return };
        let request = [[0, 0, 0, 16, 4, 210, 22, 46].as_slice(), &key].concat();
        if wire.write_all(&request).await.is_ok() {
            wire.shutdown().await.ok();
        }
    }
}
