//! Which database a command uses: the one it is given, or the private one.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};

use super::args::{Global, MigrateArgs};
use super::exit::Exit;
use crate::cli::output::{errln, outln};
use crate::config;
use crate::embedded::{Cluster, Programs, Settings, SupervisorCommand};
use crate::role::SUPERVISOR_ARGUMENT;
use crate::stage::variables;
use crate::store::Store;
use crate::store::connect::{Address, Pooling, Server, handshake};
use crate::store::migrate::{LOCK_WAIT, Migrated};
use crate::worker::{CONNECTIONS, is_runner};

/// Of a process that runs one suspect at a time.
const CONNECTIONS_OF_A_RUNNER: u32 = 1;

/// An open database; the private one stays up as long as this lives.
pub(crate) struct Database {
    pub(crate) store: Store,
    pub(super) server: Server,
    pub(super) pooling: Pooling,
    cluster: Option<Cluster>,
}

impl Database {
    /// Opens it and sees that the schema fits. Only the private one is migrated by the way: of a database that was named,
    /// others may be using the schema.
    pub(crate) async fn open(global: &Global) -> anyhow::Result<Database> {
        let database = Database::connect(global).await?;
        database.fit(&database.store, global, false).await?;
        Ok(database)
    }

    /// The same for a worker: a silent server is given up from the first question on. Where it is told to, it migrates.
    pub(crate) async fn open_to_work(global: &Global, migrate: bool) -> anyhow::Result<Database> {
        let mut database = Database::connect(global).await?;
        let swift = Store::for_work(database.server.clone(), database.pooling, connections());
        database.fit(&swift, global, migrate).await?;
        std::mem::replace(&mut database.store, swift).close().await;
        if let Some(url) = global.database_url.clone().or_else(|| database.url()) {
            // For stages that ask for it.
            variables::database_is(url);
        }
        Ok(database)
    }

    /// Sees that the schema fits, as `asked` finds it, or makes it fit where that is allowed.
    async fn fit(&self, asked: &Store, global: &Global, migrate: bool) -> anyhow::Result<()> {
        let may_migrate = !global.no_migrate && (migrate || self.cluster.is_some());
        match asked.check_schema().await {
            Err(error) if may_migrate && error.is_mended_by_migrating() => {
                self.store.migrate(LOCK_WAIT).await?;
                // A newer Piton may have been quicker.
                Ok(asked.check_schema().await?)
            }
            checked => Ok(checked?),
        }
    }

    /// Opens it as it is.
    pub(crate) async fn connect(global: &Global) -> anyhow::Result<Database> {
        if let Some(url) = &global.database_url {
            let server = Server::at(Address::parse(url)?, global.database_silence)?;
            let pooling = handshake(&server).await?;
            let store = Store::open(server.clone(), pooling, connections());
            return Ok(Database { store, server, pooling, cluster: None });
        }
        if let Some(stage) = config::calling_stage().filter(|_| global.data_dir.is_none()) {
            bail!(
                "{stage} called this program and no database is named; a private one would not be that of the \
                 run. Add pass_env = [\"DATABASE_URL\"] to the stage: it gets the database of its worker then"
            );
        }
        let root = global.data_dir.clone().map_or_else(Settings::default_root, Ok)?;
        let cluster = private_postgres(global, root, Vec::new()).await?;
        if cluster.first_start() {
            errln!("A private Postgres was set up in {}; your runs are kept there.", cluster.folder().display());
            if let [major, ..] = cluster.other_majors() {
                errln!(
                    "warning: there is also data of Postgres {major} beside it; runs kept there do not show here. \
                     Install Postgres {major}, or set PG_BIN_DIR to its programs, to see them again."
                );
            }
        }
        let (server, pooling) = (Server::private(cluster.options("piton")), Pooling::Session);
        let store = Store::open(server.clone(), pooling, connections());
        Ok(Database { store, server, pooling, cluster: Some(cluster) })
    }

    /// Closes the connections; the private Postgres stops when no other process uses it.
    pub(crate) async fn close(self) {
        // A worker that lost its database has statements that wait; they do not keep the process.
        tokio::time::timeout(Duration::from_secs(2), self.store.close()).await.ok();
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }

    /// How a person looks into it.
    pub(crate) fn url(&self) -> Option<String> {
        self.private_url("piton")
    }

    /// Where another database of the private Postgres is; `None` for one that was given.
    pub(crate) fn private_url(&self, name: &str) -> Option<String> {
        self.cluster.as_ref().map(|cluster| cluster.url(name))
    }
}

fn connections() -> u32 {
    if is_runner() { CONNECTIONS_OF_A_RUNNER } else { CONNECTIONS }
}

/// Where Postgres may be downloaded to: into the data folder, also for what has data of its own for a while.
pub(super) fn programs(global: &Global) -> anyhow::Result<Programs> {
    let folder =
        global.data_dir.as_deref().map_or_else(Programs::default_folder, |root| Ok(Programs::folder_in(root)))?;
    let tell: fn(&str) = |said| errln!("{said}");
    Ok(Programs { folder, download: (!global.no_download).then_some(tell) })
}

/// A private Postgres in that folder, supervised by this same program, with further settings of its server.
pub(super) async fn private_postgres(
    global: &Global,
    root: PathBuf,
    server_options: Vec<(String, String)>,
) -> anyhow::Result<Cluster> {
    let supervisor = SupervisorCommand {
        exe: std::env::current_exe().context("where this program is")?,
        args: vec![OsString::from(SUPERVISOR_ARGUMENT)],
    };
    let programs = Some(programs(global)?);
    Ok(Cluster::start(Settings { root, programs, supervisor, linger: Duration::ZERO, server_options }).await?)
}

/// `piton migrate`.
pub(crate) async fn migrate(global: Global, args: MigrateArgs) -> anyhow::Result<Exit> {
    let database = Database::connect(&global).await?;
    let Migrated { version, applied } = database.store.migrate(args.lock_wait.unwrap_or(LOCK_WAIT)).await?;
    let known = crate::store::migrate::newest();
    if global.json {
        outln!("{}", serde_json::json!({"version": version, "applied": applied}));
    } else if version > known {
        outln!(
            "The schema is newer (version {version}) than this program ({known}), and works with it: nothing to do."
        );
    } else if applied == 0 {
        outln!("The schema is up to date (version {version}).");
    } else {
        outln!("Migrated to version {version}.");
    }
    if let (false, Some(url)) = (global.json, database.url()) {
        outln!("Look into it with:  psql '{url}'");
    }
    database.close().await;
    Ok(Exit::Done)
}
