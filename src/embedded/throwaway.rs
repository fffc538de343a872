//! A server for tests: it and its data are gone when this process is, however that ended.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;

use super::error::EmbeddedError;
use super::folder::Folder;
use super::orders::Orders;
use super::settings::Programs;
use super::throwaway_folder::ThrowawayFolder;
use super::{cluster, connection, initdb, log_file, program, server};

/// Runs the server until its standard input ends, which this process holds open. A process of its own, since tests mostly have no
/// `main` that could begin with [`child`](crate::child()).
const GUARDIAN: &str = r#""$@" & server=$!
cat > /dev/null
kill -QUIT $server; wait $server"#;

const SHELL: &str = "/bin/sh";
/// A busy machine gets far more than it needs.
const READY_LIMIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
const CONNECTIONS: &str = "300";

/// A server of this process.
#[derive(Debug)]
pub(crate) struct Throwaway {
    folder: Folder,
    /// Its standard input ends with this value, or with this process.
    _guardian: Child,
    // Deleted while the server ends.
    _root: ThrowawayFolder,
}

impl Throwaway {
    /// Starts one on the binaries that the private Postgres would have, with data of its own in the temporary folder. Takes about a
    /// second, longer where they are downloaded first. Cut short at any point, by a kill or an error, it leaves nothing behind.
    pub(crate) async fn start(programs: Programs) -> Result<Throwaway, EmbeddedError> {
        let root = ThrowawayFolder::make()?;
        let chosen = cluster::choose(root.path().to_owned(), Some(programs)).await;
        let (binaries, folder) = chosen.map_err(|error| error.in_temporary_folder(root.path()))?;
        initdb::ensure_data(&folder, &binaries).await?;
        let mut guardian = Self::guard(&folder, &binaries.program("postgres"))?;
        ready(&folder, &mut guardian).await?;
        Ok(Throwaway { folder, _guardian: guardian, _root: root })
    }

    /// How to connect to a database of it; `postgres` is there.
    pub(crate) fn options(&self, database: &str) -> PgConnectOptions {
        connection::options(&self.folder, database)
    }

    fn guard(folder: &Folder, postgres: &Path) -> Result<Child, EmbeddedError> {
        let orders = Orders {
            folder: folder.clone(),
            postgres: postgres.to_owned(),
            linger: Duration::ZERO,
            server_options: vec![("max_connections".to_owned(), CONNECTIONS.to_owned())],
        };
        let mut command = program::command(Path::new(SHELL), folder)?;
        command.args(["-c", GUARDIAN, "piton-testing"]).arg(postgres).arg("-D").arg(folder.data());
        for (name, value) in server::server_settings(&orders) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        // Ctrl-C is for the tests: the server ends after them.
        command.stdin(Stdio::piped()).process_group(0);
        command.spawn().map_err(EmbeddedError::run(Path::new(SHELL)))
    }
}

async fn ready(folder: &Folder, guardian: &mut Child) -> Result<(), EmbeddedError> {
    let begun = Instant::now();
    while begun.elapsed() < READY_LIMIT {
        if let Some(status) = guardian.try_wait().map_err(EmbeddedError::run(Path::new(SHELL)))? {
            return Err(EmbeddedError::ServerEnded { status, log: folder.log(), tail: log_file::tail(folder) });
        }
        if connection::is_ready(folder).await? {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Err(EmbeddedError::NotReady { seconds: READY_LIMIT.as_secs(), log: folder.log(), tail: log_file::tail(folder) })
}
