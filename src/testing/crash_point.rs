//! A place between a program and its database at which everything stops: just before a commit, or just after it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::error::TestError;
use super::messages::{FromClient, FromServer, Sent};
use crate::client::url_of;

const PIECE: usize = 64 << 10;
/// Part of the socket's name.
const PORT: u16 = 5432;

/// On which side of a commit everything stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashSide {
    /// It never reaches the server.
    Before,
    /// It has landed, and nobody gets the answer.
    After,
}

impl fmt::Display for CrashSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CrashSide::Before => "before",
            CrashSide::After => "after",
        })
    }
}

/// A way to a test's database on which nothing goes through any more, in either direction, from a commit on: whoever is connected
/// through it can be killed there.
///
/// Commits are counted over all its connections, in the order in which they were sent: `COMMIT`, and the statements by which
/// Piton commits the ends of stages, their steps and their artifacts. It has to be killed while this lives: once it is dropped, the
/// connections are closed.
///
/// For a program of your own, really killed: give the program [`CrashPoint::url`] as its database, wait for [`CrashPoint::reached`],
/// and send SIGKILL.
#[derive(Debug)]
pub struct CrashPoint {
    url: String,
    shared: Arc<Shared>,
    _listening: AbortOnDropHandle<()>,
    // With the socket.
    _folder: tempfile::TempDir,
}

#[derive(Debug)]
struct Shared {
    at: Option<(u64, CrashSide)>,
    /// Commits that were sent.
    commits: AtomicU64,
    reached: CancellationToken,
    upstream: Upstream,
}

#[derive(Debug)]
enum Upstream {
    Unix(PathBuf),
    Tcp(String, u16),
}

impl CrashPoint {
    /// At the commit of that number, from 1; or never.
    pub(super) fn open(server: &PgConnectOptions, at: Option<(u64, CrashSide)>) -> Result<CrashPoint, TestError> {
        let unopened = |error: std::io::Error| TestError::Server(format!("no way to it can be stopped: {error}"));
        let folder = tempfile::Builder::new().prefix("piton-stop-").tempdir().map_err(unopened)?;
        let listener = UnixListener::bind(socket(folder.path().to_owned(), PORT)).map_err(unopened)?;
        let options = server.clone().host("localhost").socket(folder.path()).port(PORT).ssl_mode(PgSslMode::Disable);
        let shared = Arc::new(Shared {
            at,
            commits: AtomicU64::new(0),
            reached: CancellationToken::new(),
            upstream: Upstream::of(server),
        });
        let listening = AbortOnDropHandle::new(tokio::spawn(listen(listener, shared.clone())));
        Ok(CrashPoint { url: url_of(options), shared, _listening: listening, _folder: folder })
    }

    /// The connection string of those who are to be stopped.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until everything has stopped.
    pub async fn reached(&self) {
        self.shared.reached.cancelled().await;
    }

    /// Everything has stopped.
    pub fn is_reached(&self) -> bool {
        self.shared.reached.is_cancelled()
    }

    /// The commit was sent at which everything stops, or has stopped.
    pub(super) fn is_sent(&self) -> bool {
        self.shared.at.is_some_and(|(number, _)| self.commits() >= number)
    }

    /// How many commits were sent so far, with the one at which everything stopped.
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::SeqCst)
    }
}

impl Upstream {
    fn of(options: &PgConnectOptions) -> Upstream {
        let folder = options.get_socket().cloned();
        let host = options.get_host();
        match folder.or_else(|| host.starts_with('/').then(|| host.into())) {
            Some(folder) => Upstream::Unix(socket(folder, options.get_port())),
            None => Upstream::Tcp(host.to_owned(), options.get_port()),
        }
    }
}

/// As Postgres names it.
fn socket(folder: PathBuf, port: u16) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

/// Connections end with this.
async fn listen(listener: UnixListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                connections.spawn(connect(client, shared.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Whoever comes when all has stopped waits, too.
async fn connect(client: UnixStream, shared: Arc<Shared>) {
    let connected = match &shared.upstream {
        Upstream::Unix(socket) => match UnixStream::connect(socket).await {
            Ok(server) => between(client, server, &shared).await,
            Err(error) => Err(error),
        },
        Upstream::Tcp(host, port) => match TcpStream::connect((host.as_str(), *port)).await {
            Ok(server) => between(client, server, &shared).await,
            Err(error) => Err(error),
        },
    };
    if let Err(error) = connected {
        tracing::debug!("a connection through a crash point has ended: {error}");
    }
}

async fn between<S>(client: UnixStream, server: S, shared: &Shared) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite,
{
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = tokio::io::split(server);
    // Shared by the two directions: "no encryption" is said to the client by the one that hears it ask.
    let to_client = tokio::sync::Mutex::new(to_client);
    let awaited = AtomicU64::new(0);
    tokio::select! {
        ended = forth(from_client, to_server, &to_client, shared, &awaited) => ended,
        ended = back(from_server, &to_client, shared, &awaited) => ended,
    }
}

async fn forth(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    client: &tokio::sync::Mutex<impl AsyncWrite + Unpin>,
    shared: &Shared,
    awaited: &AtomicU64,
) -> std::io::Result<()> {
    let (mut piece, mut messages) = (vec![0; PIECE], FromClient::default());
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        messages.push(&piece[..length]);
        let mut on = Vec::with_capacity(length);
        while let Some(sent) = messages.next() {
            match sent {
                Sent::Message(bytes) => on.extend(bytes),
                Sent::Encryption => client.lock().await.write_all(b"N").await?,
                Sent::Commit(bytes, answer) => {
                    match shared.count() {
                        Some(CrashSide::Before) => {
                            shared.reached.cancel();
                            return std::future::pending().await;
                        }
                        Some(CrashSide::After) => awaited.store(answer, Ordering::SeqCst),
                        None => {}
                    }
                    on.extend(bytes);
                }
            }
        }
        shared.goes_on().await;
        to.write_all(&on).await?;
    }
}

async fn back(
    mut from: impl AsyncRead + Unpin,
    to: &tokio::sync::Mutex<impl AsyncWrite + Unpin>,
    shared: &Shared,
    awaited: &AtomicU64,
) -> std::io::Result<()> {
    let (mut piece, mut messages) = (vec![0; PIECE], FromServer::default());
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        messages.pass(&piece[..length]);
        let awaited = awaited.load(Ordering::SeqCst);
        if awaited > 0 {
            // Kept back: the commit's answer is on its way, or whole.
            if messages.answered >= awaited {
                shared.reached.cancel();
                return std::future::pending().await;
            }
            continue;
        }
        shared.goes_on().await;
        to.lock().await.write_all(&piece[..length]).await?;
    }
}

impl Shared {
    /// Counts a commit, and says where everything stops, if it is that one.
    fn count(&self) -> Option<CrashSide> {
        let number = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        self.at.filter(|(at, _)| *at == number).map(|(_, side)| side)
    }

    /// Never returns once everything has stopped.
    async fn goes_on(&self) {
        if self.reached.is_cancelled() {
            std::future::pending().await
        }
    }
}
