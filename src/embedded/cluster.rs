//! The private Postgres, as the process that uses it sees it.

use super::binaries::{self, Binaries};
use super::error::EmbeddedError;
use super::folder::{self, Folder};
use super::launch::Launch;
use super::locks::{self, Held, Lock};
use super::not_downloaded::NotDownloaded;
use super::orders::Orders;
use super::pid_file::{self, Named};
use super::server::{self, Ending};
use super::settings::{Programs, Settings};
use super::{connection, download, initdb, packages};
use sqlx::postgres::PgConnectOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often a client looks whether the server is still supervised.
const WATCH_EVERY: Duration = Duration::from_secs(1);
const WATCH_AT_LEAST_EVERY: Duration = Duration::from_secs(30);

/// How long the last client waits for the server to end.
const FAREWELL: Duration = Duration::from_secs(10);

/// A running private Postgres that this process is a client of.
///
/// It runs at least as long as this value, or another client's, lives. If its server or its supervisor is killed meanwhile,
/// it is brought up again within seconds; connections to a killed server break, and what was committed stays.
#[derive(Debug)]
pub struct Cluster {
    folder: Folder,
    settings: Settings,
    first_start: bool,
    other_majors: Vec<u32>,
    // Before the lock, so that nothing is brought up by a process that is no client any more.
    watch: Watch,
    client: Held,
}

impl Cluster {
    /// Joins the cluster in `settings.root`: makes its data if there is none, starts its server if it does not run, and
    /// makes
    /// the database `piton` if it is missing. Any number of processes may do so at once.
    ///
    /// Takes a second the first time, longer where Postgres is downloaded ([`Settings::programs`]), less than a tenth after
    /// that. If it is cut short, even by `kill -9`, no half-made data is left in use.
    ///
    /// # Errors
    /// See [`EmbeddedError`]; none of them asks for a retry.
    pub async fn start(settings: Settings) -> Result<Self, EmbeddedError> {
        let root = std::path::absolute(&settings.root).map_err(EmbeddedError::file("find", &settings.root))?;
        let (binaries, folder) = choose(root.clone(), settings.programs.clone()).await?;
        let orders = Orders {
            folder: folder.clone(),
            postgres: binaries.program("postgres"),
            linger: settings.linger,
            server_options: settings.server_options.clone(),
        };
        let launch = Launch { orders, supervisor: settings.supervisor.clone() };
        let start = launch.start_lock().await?;
        let client = launch.clients_lock().await?;
        let first_start = initdb::ensure_data(&folder, &binaries).await?;
        launch.bring_up(&start).await?;
        drop(start);
        let mut others = folder::majors_with_data(&root);
        others.remove(&binaries.major);
        Ok(Self {
            folder,
            settings,
            first_start,
            other_majors: others.into_iter().collect(),
            watch: Watch::begin(launch),
            client,
        })
    }

    /// How to connect to `database`; `piton` is there already.
    #[must_use]
    pub fn options(&self, database: &str) -> PgConnectOptions {
        connection::options(&self.folder, database)
    }

    /// The same for whoever finds its socket in another folder.
    pub(crate) fn options_at(folder: &Path, database: &str) -> PgConnectOptions {
        connection::options_at(folder, database)
    }

    /// A URL of `database` for people and for `psql`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        connection::url(&self.folder, database)
    }

    /// The server's socket, for whoever stands between.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.socket()
    }

    /// A URL of `database` for those who come through a port on this machine that leads to the socket.
    pub(crate) fn url_through(port: u16, database: &str) -> String {
        connection::url_through(port, database)
    }

    /// Those of another cluster, like this one and somewhere else.
    pub(crate) fn settings_in(&self, root: PathBuf) -> Settings {
        Settings { root, ..self.settings.clone() }
    }

    /// Crashes the server, if it runs; it is brought up again as after any crash.
    pub(crate) fn crash(&self) {
        if let Named::OurServer(server) = pid_file::named(&self.folder) {
            server::end(server, Ending::Immediate);
        }
    }

    /// Crashes the server for good: it is not brought up again. Comes back when it is gone.
    pub(crate) async fn abandon(self) {
        self.watch.end().await;
        if let Named::OurServer(server) = pid_file::named(&self.folder) {
            server::end(server, Ending::Immediate);
        }
        drop(self.client);
        if !matches!(locks::within(FAREWELL, || Lock::Supervisor.try_shared(&self.folder)).await, Ok(Some(_))) {
            tracing::warn!(folder = %self.folder.base().display(), "the private Postgres is slow to end");
        }
    }

    /// The cluster's folder, with the data and the server's log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.base()
    }

    /// Whether the data was made just now, by this process.
    #[must_use]
    pub fn first_start(&self) -> bool {
        self.first_start
    }

    /// Other major versions of Postgres with data of their own in the same root, lowest first. Runs in them are not seen
    /// by this cluster, and the user should be told.
    #[must_use]
    pub fn other_majors(&self) -> &[u32] {
        &self.other_majors
    }

    /// Ceases to be a client. The last one waits up to ten seconds for the server to end, unless the server is to linger.
    pub async fn stop(self) {
        self.watch.end().await;
        let is_last = self.client.is_last();
        drop(self.client);
        if !is_last || !self.settings.linger.is_zero() {
            return;
        }
        match locks::within(FAREWELL, || Lock::Supervisor.try_shared(&self.folder)).await {
            Ok(Some(_)) => {}
            Ok(None) => {
                tracing::warn!(folder = %self.folder.base().display(), "the private Postgres is slow to stop")
            }
            Err(error) => {
                tracing::warn!(%error, "cannot see whether the private Postgres has stopped")
            }
        }
    }
}

/// Finds binaries, or gets them where that is allowed, and prepares their folder.
pub(super) async fn choose(root: PathBuf, programs: Option<Programs>) -> Result<(Binaries, Folder), EmbeddedError> {
    let found = find(root.clone(), programs.clone()).await;
    let (Err(EmbeddedError::NoBinaries { too_old, .. }), Some(Programs { folder, download })) = (&found, &programs)
    else {
        return found;
    };
    let with_data = folder::majors_with_data(&root);
    let downloaded = match download {
        None => Err(NotDownloaded::Forbidden),
        Some(_) if !with_data.is_empty() && !with_data.contains(&packages::MAJOR) => {
            Err(NotDownloaded::OtherData(with_data.into_iter().collect()))
        }
        Some(tell) => download::get(folder, *tell).await?,
    };
    match downloaded {
        Ok(()) => find(root, programs).await,
        Err(why) => Err(EmbeddedError::NoBinaries { too_old: too_old.clone(), not_downloaded: Some(why) }),
    }
}

/// Away from the runtime's threads, since programs are run for it.
async fn find(root: PathBuf, programs: Option<Programs>) -> Result<(Binaries, Folder), EmbeddedError> {
    let found = tokio::task::spawn_blocking(move || {
        let programs = programs.map(|programs| programs.folder);
        let binaries = binaries::find_preferring(&folder::majors_with_data(&root), programs.as_deref())?;
        let folder = Folder::of_major(&root, binaries.major);
        folder.prepare()?;
        Ok((binaries, folder))
    });
    found.await.map_err(|_| EmbeddedError::SearchInterrupted)?
}

/// Brings the server up again when it or its supervisor was killed.
#[derive(Debug)]
struct Watch(JoinHandle<()>);

impl Watch {
    fn begin(launch: Launch) -> Self {
        Self(tokio::spawn(async move {
            let mut pause = WATCH_EVERY;
            loop {
                tokio::time::sleep(pause).await;
                pause = match launch.renew().await {
                    Ok(()) => WATCH_EVERY,
                    Err(error) => {
                        tracing::warn!(%error, "the private Postgres cannot be brought up again; trying once more later");
                        (pause * 2).min(WATCH_AT_LEAST_EVERY)
                    }
                };
            }
        }))
    }

    /// Comes back when the watch is over, so that it holds no lock any more.
    async fn end(mut self) {
        self.0.abort();
        // Either way it is over: cancelled, or panicked, which the runtime has told.
        (&mut self.0).await.ok();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}
