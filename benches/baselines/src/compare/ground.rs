//! The private server on which everything is measured, and its databases.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use piton::embedded::{Cluster, Settings, SupervisorCommand};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use tempfile::TempDir;

/// The same for all systems; everything else is as Postgres comes, with `fsync` and `synchronous_commit` on.
const SERVER: [(&str, &str); 2] = [("shared_buffers", "1GB"), ("max_wal_size", "8GB")];

/// Databases that are always there; the first is what `piton bench` connects to before it makes its own.
const HOME: &str = "postgres";

/// It lives until it is stopped; if this process dies, the server ends by itself.
pub(crate) struct Ground {
    cluster: Cluster,
    admin: PgConnection,
    databases: u32,
    // Last, so that it goes after everything that is in it.
    folder: TempDir,
}

impl Ground {
    pub(crate) async fn start(piton: &Path) -> Result<Ground> {
        // Where root starts the server, the server's own user has to pass through.
        let open = std::fs::Permissions::from_mode(0o711);
        let folder = tempfile::Builder::new().prefix("piton-compare-").permissions(open).tempdir()?;
        let cluster = Cluster::start(Settings {
            root: folder.path().to_path_buf(),
            programs: None,
            supervisor: SupervisorCommand { exe: piton.to_path_buf(), args: vec!["__postgres-supervisor".into()] },
            linger: Duration::ZERO,
            server_options: SERVER.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        })
        .await
        .context("cannot start a private Postgres")?;
        let admin = cluster.options(HOME).disable_statement_logging().connect().await?;
        Ok(Ground { cluster, admin, databases: 0, folder })
    }

    /// The address of the server, for a program that makes its own database.
    pub(crate) fn home(&self) -> String {
        self.cluster.url(HOME)
    }

    /// An empty database.
    pub(crate) async fn fresh(&mut self) -> Result<Database> {
        self.databases += 1;
        let name = format!("compare_{}", self.databases);
        self.admin.execute(AssertSqlSafe(format!("create database {name}"))).await?;
        Ok(Database { url: self.cluster.url(&name), name })
    }

    pub(crate) async fn drop(&mut self, database: Database) -> Result<()> {
        self.admin.execute(AssertSqlSafe(format!("drop database {}", database.name))).await?;
        Ok(())
    }

    /// Writes out what the last measurement left, so that the next one does not pay for it.
    pub(crate) async fn checkpoint(&mut self) -> Result<()> {
        self.admin.execute("checkpoint").await?;
        Ok(())
    }

    /// Postgres' version, and today's date.
    pub(crate) async fn version_and_date(&mut self) -> Result<(String, String)> {
        let query = sqlx::query_as("select split_part(current_setting('server_version'), ' ', 1), current_date::text");
        Ok(query.fetch_one(&mut self.admin).await?)
    }

    /// Stops the server and removes its folder.
    pub(crate) async fn stop(self) -> Result<()> {
        // The server sees the end of the connection in any case.
        self.admin.close().await.ok();
        self.cluster.stop().await;
        self.folder.close().context("cannot remove the private Postgres' folder")
    }
}

/// One of its databases.
pub(crate) struct Database {
    pub(crate) url: String,
    name: String,
}
