//! The campaign's Postgres: the primary, a standby where one is to be promoted, and one address for both.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnectOptions;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::ChaosError;
use super::proxy::{Link, Proxy};
use crate::embedded::{Cluster, copy_data};
use crate::store::chaos::{Inspector, unless_away};
use crate::store::connect::Server;

/// The database in it.
pub(crate) const DATABASE: &str = "piton";
/// Leads to the folder of the socket of whoever serves.
const WAY: &str = "way";
/// For a server that comes back after a crash; most of it is recovery. And for a standby that has to catch up.
const BACK_AGAIN: Duration = Duration::from_secs(60);

/// Only one thing is done to them at a time.
pub(crate) struct Servers {
    folder: PathBuf,
    /// The name of every server's socket.
    socket: PathBuf,
    state: Mutex<State>,
}

struct State {
    serving: Cluster,
    standby: Option<Standby>,
    /// How many standbys there have been, for their folders.
    made: u32,
}

struct Standby {
    cluster: Cluster,
    /// What it follows the other through.
    replication: Proxy,
}

/// A failover that lost commits.
pub(super) struct Rewound {
    /// What was committed before is kept.
    pub(super) kept_until: DateTime<Utc>,
    /// What is sent from then on meets the new server.
    pub(super) lost_until: DateTime<Utc>,
}

impl Servers {
    /// `serving` has its data somewhere in `folder`.
    pub(crate) fn new(folder: &Path, serving: Cluster) -> Result<Servers, ChaosError> {
        let socket = serving.socket().file_name().map(PathBuf::from).unwrap_or_default();
        lead_to(folder, &serving)?;
        let state = Mutex::new(State { serving, standby: None, made: 0 });
        Ok(Servers { folder: folder.to_owned(), socket, state })
    }

    /// How whoever serves is reached.
    pub(crate) fn options(&self) -> PgConnectOptions {
        Cluster::options_at(&self.way(), DATABASE)
    }

    /// The same, for whoever stands between.
    pub(super) fn socket(&self) -> PathBuf {
        self.way().join(&self.socket)
    }

    /// Crashes the server that serves, and comes back when it is up again.
    pub(super) async fn crash(&self, lasts: Duration, inspector: &Inspector) -> Result<(), ChaosError> {
        let state = self.state.lock().await;
        state.serving.crash();
        tokio::time::sleep(lasts).await;
        Ok(inspector.is_back(BACK_AGAIN).await?)
    }

    /// Whether something is being done to them.
    pub(super) fn are_in_trouble(&self) -> bool {
        self.state.try_lock().is_err()
    }

    /// Makes a standby, unless there is one.
    pub(super) async fn follow(&self) -> Result<(), ChaosError> {
        let mut state = self.state.lock().await;
        let standby = self.standby_of(&mut state).await?;
        state.standby = Some(standby);
        Ok(())
    }

    /// The one that there is, or a new one.
    async fn standby_of(&self, state: &mut State) -> Result<Standby, ChaosError> {
        if let Some(standby) = state.standby.take() {
            return Ok(standby);
        }
        state.made += 1;
        let root = self.folder.join(format!("standby-{}", state.made));
        let replication = Proxy::to(state.serving.socket(), BACK_AGAIN).await.map_err(ChaosError::Proxy)?;
        copy_data(&root, replication.port()).await?;
        let cluster = Cluster::start(state.serving.settings_in(root)).await?;
        Ok(Standby { cluster, replication })
    }

    /// Cuts the standby off, lets `meanwhile` go on with the server that serves, ends that for good, and promotes the
    /// standby.
    pub(super) async fn rewind(
        &self,
        inspector: &Inspector,
        meanwhile: impl Future<Output = Result<(), ChaosError>>,
    ) -> Result<Rewound, ChaosError> {
        let mut state = self.state.lock().await;
        let Standby { cluster, replication } = self.standby_of(&mut state).await?;
        let outside = Inspector::open(&Server::private(cluster.options(DATABASE)));
        let kept_until = Utc::now();
        catch_up(inspector, &outside).await?;
        replication.set(Link::Cut);
        meanwhile.await?;
        let old = std::mem::replace(&mut state.serving, cluster);
        let old_data = old.folder().join("data");
        old.abandon().await;
        let lost_until = Utc::now();
        promote(&outside).await?;
        lead_to(&self.folder, &state.serving)?;
        outside.close().await;
        inspector.is_back(BACK_AGAIN).await?;
        // A standby of the new one needs the room.
        tokio::fs::remove_dir_all(&old_data).await.map_err(file(&old_data))?;
        Ok(Rewound { kept_until, lost_until })
    }

    /// Stops both. Says where the data are.
    pub(crate) async fn stop(self: Arc<Self>) -> Option<PathBuf> {
        // The campaign's tasks are over; whoever else held it would only make the servers stop a little later.
        let State { serving, standby, .. } = Arc::into_inner(self)?.state.into_inner();
        if let Some(Standby { cluster, replication }) = standby {
            cluster.stop().await;
            drop(replication);
        }
        let root = serving.folder().parent().map(Path::to_owned);
        serving.stop().await;
        root
    }

    fn way(&self) -> PathBuf {
        self.folder.join(WAY)
    }
}

/// In one step: there is never no address.
fn lead_to(folder: &Path, serving: &Cluster) -> Result<(), ChaosError> {
    let (way, new) = (folder.join(WAY), folder.join("way.new"));
    let socket = serving.socket();
    std::os::unix::fs::symlink(socket.parent().unwrap_or(&socket), &new).map_err(file(&new))?;
    std::fs::rename(&new, &way).map_err(file(&way))
}

/// Waits until the standby has all that is committed now. Other faults may be in the way of either.
async fn catch_up(serving: &Inspector, standby: &Inspector) -> Result<(), ChaosError> {
    let (begun, mut written) = (Instant::now(), None);
    while begun.elapsed() < BACK_AGAIN {
        written = match written {
            None => unless_away(serving.written().await)?,
            written => written,
        };
        if let Some(written) = &written
            && unless_away(standby.has_replayed(written).await)? == Some(true)
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(ChaosError::Standby)
}

async fn promote(standby: &Inspector) -> Result<(), ChaosError> {
    let begun = Instant::now();
    while unless_away(standby.promote().await)?.is_none() {
        if begun.elapsed() > BACK_AGAIN {
            return Err(ChaosError::Standby);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> ChaosError {
    let path = path.display().to_string();
    move |error| ChaosError::File(path, error)
}
