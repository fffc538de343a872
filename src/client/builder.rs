//! From workflow files and a database to a [`Piton`].

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgPool};

use super::actor::{actor, name};
use super::await_end::Ends;
use super::error::BuildError;
use super::piton::{Piton, Shared};
use crate::app::App;
use crate::artifacts::Artifacts;
use crate::queue::catalog::Catalog;
use crate::stage::handler::Handlers;
use crate::stage::http;
use crate::stage::variables;
use crate::store::Store;
use crate::store::connect::{Address, Server, handshake};
use crate::store::migrate::LOCK_WAIT;
use crate::workflow::definition::Workflow;
use crate::workflow::limits::Limits;

/// Connections for starts and queries if no pool is given; a worker has others.
const CONNECTIONS: u32 = 4;
/// How long a worker waits for an answer before it gives up a connection.
pub(super) const SILENCE: Duration = Duration::from_secs(12);

/// Where Piton's schema is.
#[derive(Debug, Clone)]
pub struct Database(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Url(String),
    Pool(PgPool),
}

impl From<&str> for Database {
    /// A connection string, as `DATABASE_URL` holds it.
    fn from(url: &str) -> Database {
        Database(Kind::Url(url.to_owned()))
    }
}

impl From<String> for Database {
    fn from(url: String) -> Database {
        Database(Kind::Url(url))
    }
}

impl From<PgPool> for Database {
    /// A pool of sqlx 0.9. Its connections start runs and read their states; a worker opens some of its own to the same server,
    /// with settings that the pool must not have.
    ///
    /// A connection cannot be used beyond the end of the tokio runtime in which it was opened, and a pool of sqlx does not
    /// always notice: a program with several runtimes, one after another, has a pool in each or gives a connection string.
    fn from(pool: PgPool) -> Database {
        Database(Kind::Pool(pool))
    }
}

impl From<&PgPool> for Database {
    fn from(pool: &PgPool) -> Database {
        pool.clone().into()
    }
}

/// What to do about a schema that is missing or older than this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Migrations {
    /// Fail: somebody has to run `piton migrate` first.
    #[default]
    Check,
    /// Bring it up to date, by one process at a time; needs a role that may create objects.
    Run,
}

/// Made by [`Piton::builder`].
#[derive(Debug)]
#[must_use = "nothing happens before it is built"]
pub struct Builder {
    app: App,
    database: Database,
    migrations: Migrations,
    artifacts: Result<Option<Artifacts>, BuildError>,
}

impl Piton {
    /// Starts with what the program brings along, and the database: a connection string, or a pool of sqlx 0.9.
    pub fn builder(app: App, database: impl Into<Database>) -> Builder {
        Builder::new(app, database.into())
    }
}

impl Builder {
    pub(super) fn new(app: App, database: Database) -> Builder {
        Builder { app, database, migrations: Migrations::default(), artifacts: Ok(None) }
    }

    /// The artifact store, the same one for all workers and for [starts on files](super::Start::file): a folder, or a bucket as
    /// `s3://`, `gs://` or `abfss://`. Default: `artifacts` in the data folder of whoever runs the program.
    pub fn artifacts(self, store: &str) -> Builder {
        Builder { artifacts: Artifacts::at(store).map(Some).map_err(BuildError::Artifacts), ..self }
    }

    /// What services reach the callbacks at (`piton callbacks`, or a worker with `--callbacks`), such as `https://piton.example`: stages
    /// with `wait = { for = "callback" }` send it with the token. One for all of a process. Without it, `http` stages of this sort are
    /// left to others.
    pub fn callback_url(self, url: impl Into<String>) -> Builder {
        variables::callback_url_is(url.into());
        self
    }

    pub(crate) fn artifacts_at(self, store: Artifacts) -> Builder {
        Builder { artifacts: Ok(Some(store)), ..self }
    }

    /// Whether the schema may be brought up to date. Default [`Migrations::Check`].
    pub fn migrations(mut self, migrations: Migrations) -> Builder {
        self.migrations = migrations;
        self
    }

    /// Connects, checks the schema, and registers the workflows. A version of a workflow that was never deployed becomes the
    /// current one; one that was replaced since stays replaced. Any number of processes may do this at once.
    pub async fn build(self) -> Result<Piton, BuildError> {
        self.build_with(|workflows, _| Ok(workflows)).await
    }

    /// The same with workflows and handlers as a test wants them.
    pub(crate) async fn build_with(
        self,
        change: impl FnOnce(Vec<Workflow>, &mut Handlers) -> Result<Vec<Workflow>, BuildError>,
    ) -> Result<Piton, BuildError> {
        http::install_tls();
        let (artifacts, workflows) = (self.artifacts?, workflows(&self.app)?);
        let mut handlers = self.app.handlers;
        let workflows = change(workflows, &mut handlers)?;
        let url = self.database.url();
        let address = Address::parse(&url).map_err(|error| BuildError::Address(error.to_string()))?;
        let server = Server::at(address, SILENCE).map_err(|error| BuildError::Address(error.to_string()))?;
        let pooling = handshake(&server).await.map_err(|error| BuildError::Connect(error.to_string()))?;
        let own = Store::open(server.clone(), pooling, CONNECTIONS);
        fit(&own, self.migrations).await?;
        let catalog = Arc::new(Catalog::new(handlers));
        let mut ids = Vec::with_capacity(workflows.len());
        let by = name();
        for workflow in workflows {
            ids.push(catalog.register(&own, workflow, Some(actor(&by))).await?.workflow_id);
        }
        let store = match self.database.0 {
            Kind::Url(_) => own,
            Kind::Pool(pool) => {
                own.close().await;
                Store::on(pool, server.clone(), pooling)
            }
        };
        let ends = Arc::new(Ends::new(store.clone(), catalog.run_ended.clone()));
        Ok(Piton { shared: Arc::new(Shared { store, server, pooling, url, catalog, workflows: ids, ends, artifacts }) })
    }
}

/// All mistakes of all files at once.
pub(super) fn workflows(app: &App) -> Result<Vec<Workflow>, BuildError> {
    if let Some(mistake) = app.mistake() {
        return Err(BuildError::App(mistake));
    }
    let (mut workflows, mut mistakes, mut names) = (Vec::new(), Vec::new(), HashSet::new());
    for (file, text) in &app.files {
        match Workflow::parse(file, text.as_bytes(), &Limits::default()) {
            Ok(workflow) if !names.insert(workflow.name.clone()) => {
                mistakes.push(format!("{file}: workflow `{}` is in another file, too", workflow.name));
            }
            Ok(workflow) => workflows.push(workflow),
            Err(found) => mistakes.push(found.render(false)),
        }
    }
    if mistakes.is_empty() { Ok(workflows) } else { Err(BuildError::Workflows(mistakes.join("\n\n"))) }
}

async fn fit(store: &Store, migrations: Migrations) -> Result<(), BuildError> {
    let told = |error: crate::store::schema::SchemaError| BuildError::Schema(error.to_string());
    match store.check_schema().await {
        Err(error) if migrations == Migrations::Run && error.is_mended_by_migrating() => {
            store.migrate(LOCK_WAIT).await.map_err(told)?;
            // A newer Piton may have been quicker.
            store.check_schema().await.map_err(told)
        }
        checked => checked.map_err(told),
    }
}

impl Database {
    fn url(&self) -> String {
        match &self.0 {
            Kind::Url(url) => url.clone(),
            Kind::Pool(pool) => url_of(PgConnectOptions::clone(&pool.connect_options())),
        }
    }
}

/// A connection string that says the same.
pub(crate) fn url_of(mut options: PgConnectOptions) -> String {
    // sqlx puts no brackets around an IPv6 address, and panics over its own URL.
    let host = options.get_host().to_owned();
    if host.contains(':') && !host.starts_with('[') {
        options = options.host(&format!("[{host}]"));
    }
    without_sqlx_s_own(options.to_url_lossy().as_str())
}

/// libpq has no such parameter.
fn without_sqlx_s_own(url: &str) -> String {
    let Some((place, parameters)) = url.split_once('?') else { return url.to_owned() };
    let kept: Vec<&str> = parameters.split('&').filter(|p| !p.starts_with("statement-cache-capacity=")).collect();
    if kept.is_empty() { place.to_owned() } else { format!("{place}?{}", kept.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_s_options_are_read_back_as_the_same_address() {
        for url in [
            "postgres://anna:s%2Fcr%40t@db.example:6432/shop?sslmode=require",
            "postgres://piton@%2Ftmp%2Fpg:5433/piton",
        ] {
            let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
            let back = without_sqlx_s_own(options.to_url_lossy().as_str());
            let address = Address::parse(&back).unwrap().to_string();
            assert!(address.contains("shop") || address.contains("/tmp/pg"), "{url} became {address}");
            assert!(!back.contains("statement-cache"), "{back}");
        }
    }
}
