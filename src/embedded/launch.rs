//! The bringing up of the server, by a client.

use super::connection;
use super::error::EmbeddedError;
use super::folder::Folder;
use super::locks::{self, Held, Lock};
use super::log_file;
use super::orders::Orders;
use super::settings::SupervisorCommand;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// How long to wait for the server, and for others who start or stop it.
const READY_LIMIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A server whose predecessor was killed is refused while that one's sessions still end.
const ATTEMPTS: u32 = 3;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(300);

/// All that is needed to bring the server up, the first time or again.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) orders: Orders,
    pub(crate) supervisor: SupervisorCommand,
}

impl Launch {
    pub(crate) fn folder(&self) -> &Folder {
        &self.orders.folder
    }

    /// Waits for the start lock, which [`Launch::bring_up`] asks for.
    pub(crate) async fn start_lock(&self) -> Result<Held, EmbeddedError> {
        let held = locks::within(READY_LIMIT, || Lock::Start.try_alone(self.folder())).await?;
        held.ok_or_else(|| self.busy())
    }

    /// Waits for this process' share of the clients lock; only a supervisor that stops the server keeps it from us.
    pub(crate) async fn clients_lock(&self) -> Result<Held, EmbeddedError> {
        let held = locks::within(READY_LIMIT, || Lock::Clients.try_shared(self.folder())).await?;
        held.ok_or_else(|| self.busy())
    }

    /// Comes back when the server is supervised and ready. Starts a supervisor if there is none; that one adopts a server
    /// that runs already.
    pub(crate) async fn bring_up(&self, _start: &Held) -> Result<(), EmbeddedError> {
        let begun = Instant::now();
        let mut attempts = 0;
        let mut ours: Option<Child> = None;
        while begun.elapsed() < READY_LIMIT {
            let ended = match ours.as_mut() {
                Some(child) => child.try_wait().map_err(EmbeddedError::run(&self.supervisor.exe))?,
                None => None,
            };
            if let Some(status) = ended {
                ours = None;
                // Ours may have given way to one that a killed client had started; else it says why in the log.
                if !status.success() && attempts >= ATTEMPTS {
                    return Err(self.ended(status));
                }
                tokio::time::sleep(BETWEEN_ATTEMPTS).await;
            }
            if Lock::Supervisor.is_free(self.folder())? {
                if ours.is_none() {
                    attempts += 1;
                    ours = Some(self.spawn_supervisor()?);
                }
            } else if connection::is_ready(self.folder()).await? {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Err(EmbeddedError::NotReady {
            seconds: READY_LIMIT.as_secs(),
            log: self.folder().log(),
            tail: log_file::tail(self.folder()),
        })
    }

    /// Brings the server up again if supervisor or server died under us, unless somebody else is at it.
    pub(crate) async fn renew(&self) -> Result<(), EmbeddedError> {
        let Some(start) = Lock::Start.try_alone(self.folder())? else {
            return Ok(());
        };
        if !Lock::Supervisor.is_free(self.folder())? {
            return Ok(());
        }
        tracing::warn!(folder = %self.folder().base().display(), "the supervisor of the private Postgres is gone; starting another");
        self.bring_up(&start).await
    }

    fn spawn_supervisor(&self) -> Result<Child, EmbeddedError> {
        log_file::trim(self.folder())?;
        let log = log_file::open(self.folder())?;
        Command::new(&self.supervisor.exe)
            .args(&self.supervisor.args)
            .args(self.orders.to_args())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(false)
            .spawn()
            .map_err(EmbeddedError::run(&self.supervisor.exe))
    }

    fn busy(&self) -> EmbeddedError {
        let folder = self.folder();
        EmbeddedError::Busy { folder: folder.base().to_path_buf(), seconds: READY_LIMIT.as_secs(), log: folder.log() }
    }

    fn ended(&self, status: ExitStatus) -> EmbeddedError {
        EmbeddedError::ServerEnded { status, log: self.folder().log(), tail: log_file::tail(self.folder()) }
    }
}
