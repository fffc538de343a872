//! A database for a test of its own.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::crash_point::{CrashPoint, CrashSide};
use super::error::{TestError, URL};
use crate::client::{DatabaseError, url_of};
use crate::embedded::{Programs, Throwaway};
use crate::store::connect::{Address, Pooling, Server, handshake};
use crate::store::schema::SchemaError;
use crate::store::{Store, StoreError, test_databases};
use crate::workflow::duration;

/// Connections of a test's own statements.
const CONNECTIONS: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(30);

/// The server that all tests of this process share. It ends with the process.
static SERVER: OnceCell<Throwaway> = OnceCell::const_new();

/// A database that has Piton's schema, and goes with the test, also when that panics.
///
/// The first one of a process starts a private Postgres from the installed binaries, which all tests of the process share and
/// which is gone with it, however it ends; or set `PITON_TEST_DATABASE_URL` to the URL of a server in which databases may be made.
/// Each database is a copy of one that was migrated before, which takes some 50 ms.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let database = piton::testing::TestDatabase::new().await.unwrap();
/// let pool = sqlx::PgPool::connect(database.url()).await.unwrap();
/// let runs: i64 = sqlx::query_scalar("select count(*) from piton.runs").fetch_one(&pool).await.unwrap();
/// assert_eq!(runs, 0);
/// # }
/// ```
#[derive(Debug)]
pub struct TestDatabase {
    pool: PgPool,
    url: String,
    store: Store,
    // Last: it is taken away when nothing here is connected to it any more.
    made: Made,
}

impl TestDatabase {
    /// Makes one.
    pub async fn new() -> Result<TestDatabase, TestError> {
        let server = server().await?;
        let name = format!("piton_test_{}", Uuid::now_v7().simple());
        if let Err(error) = test_databases::make(&server, &name).await {
            return Err(unmade(error).await);
        }
        let made = Made { server, name };
        let options = made.options();
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
        let store = Store::open(Server::private(options.clone()), Pooling::Session, 1);
        let pool = pool.connect_lazy_with(options.clone());
        Ok(TestDatabase { pool, url: url_of(options), store, made })
    }

    /// The first one of the process, on a Postgres that these programs, or installed ones, are.
    #[cfg(feature = "cli")]
    pub(crate) async fn first_on(programs: Programs) -> Result<TestDatabase, TestError> {
        if elsewhere().is_none() {
            serve_from(programs).await?;
        }
        TestDatabase::new().await
    }

    /// Its connection string.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Connections to it.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Lets that span go by, such as `2h` or `90s`: everything on record is as much older afterwards. What is due within it is due
    /// now, deadlines within it have passed, and rate limits allow what they would. What runs is not hurried: an attempt's time limit
    /// and a handler's own clock go on as before, and so do the leases of workers.
    pub async fn advance(&self, span: &str) -> Result<(), TestError> {
        let unread =
            |error: duration::DurationError| TestError::Span { text: span.to_owned(), cure: error.to_string() };
        Ok(self.store.advance(duration::parse(span).map_err(unread)?).await.map_err(DatabaseError::from)?)
    }

    /// A way to it on which everything stops just before that commit, from 1, would reach it: for a process that is killed there.
    pub async fn crash_before_commit(&self, number: u64) -> Result<CrashPoint, TestError> {
        self.crash_point(Some((number, CrashSide::Before)))
    }

    /// The same just after that commit: it has landed, and nobody has the answer.
    pub async fn crash_after_commit(&self, number: u64) -> Result<CrashPoint, TestError> {
        self.crash_point(Some((number, CrashSide::After)))
    }

    pub(super) fn crash_point(&self, at: Option<(u64, CrashSide)>) -> Result<CrashPoint, TestError> {
        CrashPoint::open(&self.made.options(), at)
    }

    /// Lets the time go by in which nothing happens.
    pub(super) async fn skip_wait(&self) -> Result<(), StoreError> {
        match self.store.idle_until_due().await? {
            Some(wait) => self.store.advance(wait).await,
            None => Ok(()),
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }
}

/// A database that was made.
#[derive(Debug)]
struct Made {
    server: PgConnectOptions,
    name: String,
}

impl Made {
    fn options(&self) -> PgConnectOptions {
        self.server.clone().database(&self.name)
    }
}

impl Drop for Made {
    /// On a thread and in a runtime of its own: the test's may be over, or panicking.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let dropped = runtime.map(|runtime| runtime.block_on(test_databases::drop(&server, &name)));
            if let Ok(Err(error)) = dropped {
                tracing::warn!("a test's database is left behind: {error}");
            }
        });
        // It does not panic; whoever makes hundreds of databases has few of them at once.
        dropping.join().ok();
    }
}

/// Where another server is named.
fn elsewhere() -> Option<String> {
    std::env::var(URL).ok().filter(|url| !url.is_empty())
}

async fn server() -> Result<PgConnectOptions, TestError> {
    if let Some(url) = elsewhere() {
        Address::parse(&url).map_err(|error| TestError::elsewhere(&error.to_string()))?;
        let form = "tests take DATABASE_URL only as postgres://user:password@host:5432/name";
        return url.parse().map_err(|_| TestError::elsewhere(form));
    }
    let programs = Programs { folder: Programs::default_folder().map_err(TestError::unstarted)?, download: None };
    serve_from(programs).await
}

/// The server of this process; it is started on these programs where it does not run yet.
async fn serve_from(programs: Programs) -> Result<PgConnectOptions, TestError> {
    let started = SERVER.get_or_try_init(|| Throwaway::start(programs)).await;
    Ok(started.map_err(TestError::unstarted)?.options("postgres"))
}

async fn unmade(error: SchemaError) -> TestError {
    let Some(url) = elsewhere() else {
        return match error {
            SchemaError::Store(error) => TestError::Database(error.into()),
            error => TestError::Server(error.to_string()),
        };
    };
    TestError::elsewhere(&unopened(&url).await.unwrap_or_else(|| error.to_string()))
}

/// Why that server cannot be connected to, in the words of all commands.
async fn unopened(url: &str) -> Option<String> {
    let server = Address::parse(url).and_then(|address| Server::at(address, PATIENCE));
    match server {
        Ok(server) => handshake(&server).await.err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}
