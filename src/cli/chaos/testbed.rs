//! Where a campaign runs: a folder of its own, with a private Postgres in it.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use anyhow::Context;
use tempfile::TempDir;

use crate::app::App;
use crate::chaos::servers::Servers;
use crate::cli::args::Global;
use crate::cli::database::private_postgres;
use crate::cli::files;
use crate::cli::output::errln;
use crate::model::actor::{Actor, Face};
use crate::model::id::VersionId;
use crate::queue::catalog::Catalog;
use crate::store::Store;
use crate::store::chaos::Inspector;
use crate::store::connect::{Pooling, Server};
use crate::store::migrate::LOCK_WAIT;
use crate::worker::CONNECTIONS;

pub(super) struct Testbed {
    pub(super) servers: Arc<Servers>,
    pub(super) store: Store,
    pub(super) inspector: Inspector,
    pub(super) folder: TempDir,
}

impl Testbed {
    /// With a schema that is up to date, and nothing in it.
    pub(super) async fn make(global: &Global) -> anyhow::Result<Testbed> {
        // The server's user must pass through, also where this runs as root.
        let open = std::fs::Permissions::from_mode(0o711);
        let folder = tempfile::Builder::new().prefix("piton-chaos-").permissions(open).tempdir();
        let folder = folder.context("cannot make a folder for the campaign")?;
        // Every worker has its connections, and so has every process that runs a suspect.
        let server_options = [
            ("max_connections", "1000"),
            // A standby finds what it missed while the other one crashed, and tries again soon.
            ("wal_keep_size", "256MB"),
            ("wal_retrieve_retry_interval", "300ms"),
        ];
        let server_options = server_options.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let cluster = private_postgres(global, folder.path().to_path_buf(), server_options).await?;
        let servers = Arc::new(Servers::new(folder.path(), cluster)?);
        let server = Server::private(servers.options());
        let store = Store::open(server.clone(), Pooling::Session, CONNECTIONS);
        store.migrate(LOCK_WAIT).await?;
        let inspector = Inspector::open(&server);
        inspector.make_tables().await?;
        Ok(Testbed { servers, store, inspector, folder })
    }

    /// Registers the workflow that its runs are of.
    pub(super) async fn register(&self, app: App, global: &Global, name: &str) -> anyhow::Result<VersionId> {
        let workflow = files::one(&app, global, name)?;
        let by = Actor { name: "chaos", face: Face::Cli };
        Ok(Catalog::new(app.handlers).register(&self.store, workflow, Some(by)).await?.id)
    }

    /// Stops the server and removes the folder, or says where it is kept.
    pub(super) async fn leave(self, keep: bool) {
        self.store.close().await;
        self.inspector.close().await;
        let root = self.servers.stop().await.unwrap_or_else(|| self.folder.path().to_path_buf());
        if keep {
            let folder = self.folder.keep();
            errln!(
                "Kept {folder}. Look into it with:  {program} runs --data-dir {root}",
                folder = folder.display(),
                root = root.display(),
                program = crate::config::program()
            );
        }
    }
}
