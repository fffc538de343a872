//! A server for tests: it and its data are gone when this process is, however that ended.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;

use super::error::EmbeddedError;
use super::folder::Folder;
use super::orders::Orders;
use super::server_user::ServerUser;
use super::settings::Programs;
use super::{cluster, connection, initdb, log_file, program, server};

/// Runs the server until its standard input ends, which this process holds open; then it deletes the folder. A process of its
/// own, since tests mostly have no `main` that could begin with [`child`](crate::child()).
const GUARDIAN: &str = r#"folder=$1; shift
"$@" & server=$!
cat > /dev/null
kill -QUIT $server; wait $server
rm -rf "$folder""#;

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
}

impl Throwaway {
    /// Starts one on the binaries that the private Postgres would have, with data of its own in the temporary folder. Takes about a
    /// second, longer where they are downloaded first.
    pub(crate) async fn start(programs: Programs) -> Result<Throwaway, EmbeddedError> {
        let root = std::env::temp_dir().join(format!("piton-{}", uuid::Uuid::now_v7().simple()));
        let started = async {
            let (binaries, folder) = cluster::choose(root.clone(), Some(programs)).await?;
            initdb::ensure_data(&folder, &binaries).await?;
            let guardian = Self::guard(&root, &folder, &binaries.program("postgres"))?;
            Ok((folder, guardian))
        };
        let (folder, mut guardian) = match started.await {
            Ok(started) => started,
            Err(error) => {
                // What is left of it; the error counts.
                std::fs::remove_dir_all(&root).ok();
                return Err(error);
            }
        };
        ready(&folder, &mut guardian).await?;
        Ok(Throwaway { folder, _guardian: guardian })
    }

    /// How to connect to a database of it; `postgres` is there.
    pub(crate) fn options(&self, database: &str) -> PgConnectOptions {
        connection::options(&self.folder, database)
    }

    fn guard(root: &Path, folder: &Folder, postgres: &Path) -> Result<Child, EmbeddedError> {
        // The guardian deletes them, and is nobody else than the server.
        if let Some(user) = ServerUser::of(&folder.data())? {
            user.own(root)?;
            user.own(folder.base())?;
        }
        let orders = Orders {
            folder: folder.clone(),
            postgres: postgres.to_owned(),
            linger: Duration::ZERO,
            server_options: vec![("max_connections".to_owned(), CONNECTIONS.to_owned())],
        };
        let mut command = program::command(Path::new(SHELL), folder)?;
        command.args(["-c", GUARDIAN, "piton-testing"]).arg(root).arg(postgres).arg("-D").arg(folder.data());
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
