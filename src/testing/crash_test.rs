//! A workflow whose worker is killed at every commit.

use std::any::Any;
use std::fmt::{self, Display};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;

use super::arrange::{Mocked, arrange};
use super::crash_point::{CrashPoint, CrashSide};
use super::crash_turn::{CrashReport, CrashTurn};
use super::database::TestDatabase;
use super::error::TestError;
use super::folder::Folder;
use super::mocks::Mock;
use super::outcome::Outcome;
use super::process::Process;
use super::result::{LIMIT, result};
use crate::app::App;
use crate::artifacts::Artifacts;
use crate::client::{DatabaseError, Piton, Run};

type MakeApp = Arc<dyn Fn(String) -> BoxFuture<'static, Result<App, String>> + Send + Sync>;
type SetUp = Box<dyn Fn(PgPool) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;
type Check = Box<dyn Fn(CrashTurn) -> BoxFuture<'static, ()> + Send + Sync>;
type Normalize = Box<dyn Fn(&str, &mut Value) + Send + Sync>;

/// Runs a workflow again and again, each time in a database of its own: in turn *n* its worker is killed just before its *n*-th
/// commit, then just after it, and another worker goes on; until a turn has fewer commits than that.
///
/// `app` makes the app of one worker, as a program makes it when it starts: it is given the connection string of the turn's
/// database, and everything that its handlers connect to should come from there.
///
/// Every turn must come to the same as a turn in which nothing is killed: the state of the run, the output of each stage and item, and
/// what was given up. What handlers do elsewhere is checked by the test itself: see [`CrashTest::check`].
///
/// **What it proves.** From the moment of a crash on, nothing of the worker reaches the database, and nobody gets an answer
/// from it: neither the engine nor handlers, as far as they are connected to the database that the app was made with. Then all tasks
/// of the worker are dropped, its connections end, and what it had claimed is left, as after `kill -9`. Handlers are cut off
/// wherever they were, and run again.
///
/// **What it does not prove.** The worker is a thread of the test, and not a process: destructors run, threads that a handler has
/// started go on, and so does what is kept in `static`s. In the moment between the crash and its end, a handler may do one thing
/// more elsewhere, as it might have just before a `kill -9`. The next worker begins under the same name and takes over at once; a job
/// is not suspected of having killed its process. To kill a process of your own at every commit, see [`CrashPoint`].
///
/// ```
/// use piton::testing::crash_at_every_commit;
/// use piton::{App, Failure, Input, State};
/// use serde_json::{Value, json};
/// use sqlx::PgPool;
///
/// async fn ship(Input(input): Input<Value>, pool: State<PgPool>) -> Result<String, Failure> {
///     let order = input["input"]["order"].as_i64().unwrap_or_default();
///     // It may run twice: the key makes one parcel of it.
///     sqlx::query("insert into parcels (order_id) values ($1) on conflict do nothing")
///         .bind(order)
///         .execute(&*pool)
///         .await
///         .map_err(|error| Failure::resource_unavailable(error.to_string()))?;
///     Ok(format!("parcel {order}"))
/// }
///
/// async fn app(database: String) -> Result<App, sqlx::Error> {
///     let file = "name = \"order\"\n[stages.ship]\nrust = \"ship\"\n";
///     Ok(App::new().workflow("order.toml", file).handler("ship", ship).state(PgPool::connect_lazy(&database)?))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let report = crash_at_every_commit(app)
///     .set_up(|pool| async move {
///         sqlx::raw_sql("create table parcels (order_id bigint primary key)").execute(&pool).await.map(|_| ())
///     })
///     .check(|turn| async move {
///         let parcels = sqlx::query_scalar("select count(*) from parcels").fetch_one(turn.pool()).await;
///         assert_eq!(parcels.unwrap_or(0i64), 1);
///     })
///     .run("order", &json!({"order": 7}))
///     .await
///     .unwrap();
/// assert!(report.kills >= 2, "before and after one commit at least");
/// # }
/// ```
pub fn crash_at_every_commit<F, Making, E>(app: F) -> CrashTest
where
    F: Fn(String) -> Making + Send + Sync + 'static,
    Making: Future<Output = Result<App, E>> + Send + 'static,
    E: Display,
{
    let app: MakeApp = Arc::new(move |url| {
        let making = app(url);
        Box::pin(async { making.await.map_err(|error| error.to_string()) })
    });
    CrashTest { app, mocked: Vec::new(), set_up: None, check: None, normalize: None }
}

/// Made by [`crash_at_every_commit`].
#[must_use = "nothing is killed before it runs"]
pub struct CrashTest {
    app: MakeApp,
    mocked: Vec<Mocked>,
    set_up: Option<SetUp>,
    check: Option<Check>,
    normalize: Option<Normalize>,
}

impl fmt::Debug for CrashTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashTest").field("mocked", &self.mocked).finish_non_exhaustive()
    }
}

impl CrashTest {
    /// Answers that stage of that workflow by a mock.
    pub fn mock(mut self, workflow: &str, stage: &str, mock: Mock) -> CrashTest {
        self.mocked.push(Mocked { workflow: workflow.to_owned(), stage: stage.to_owned(), mock });
        self
    }

    /// Prepares the database of each turn, before anything begins: tables of the app's own.
    pub fn set_up<Setting, E>(mut self, set_up: impl Fn(PgPool) -> Setting + Send + Sync + 'static) -> CrashTest
    where
        Setting: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        self.set_up = Some(Box::new(move |pool| {
            let setting = set_up(pool);
            Box::pin(async { setting.await.map_err(|error| error.to_string()) })
        }));
        self
    }

    /// Looks at the end of each turn whether what the handlers did is what it should be; a panic is a failure of that turn.
    pub fn check<Checking>(mut self, check: impl Fn(CrashTurn) -> Checking + Send + Sync + 'static) -> CrashTest
    where
        Checking: Future<Output = ()> + Send + 'static,
    {
        self.check = Some(Box::new(move |turn| Box::pin(check(turn))));
        self
    }

    /// Takes out of the output of a stage what is another one each time by right, such as times and new ids, before outputs are
    /// compared.
    pub fn normalize(mut self, normalize: impl Fn(&str, &mut Value) + Send + Sync + 'static) -> CrashTest {
        self.normalize = Some(Box::new(normalize));
        self
    }

    /// Goes through all turns of a run of that workflow on that input.
    ///
    /// A turn with `k` commits takes 2 `k` + 1 runs, each with a database and two starts.
    pub async fn run(self, workflow: &str, input: &(impl Serialize + ?Sized)) -> Result<CrashReport, TestError> {
        let (expected, commits) = self.turn(None, workflow, input).await?;
        let mut kills = 0;
        for number in 1.. {
            for side in [CrashSide::Before, CrashSide::After] {
                let (outcome, sent) = self.turn(Some((number, side)), workflow, input).await?;
                if sent < number {
                    return Ok(CrashReport { commits, kills, output: expected.output });
                }
                kills += 1;
                if let Some(what) = outcome.differs_from(&expected) {
                    return Err(TestError::Crash { place: format!("{side} commit {number}"), what });
                }
            }
        }
        unreachable!("the turns end before the numbers do")
    }

    /// What came of it, and how many commits were sent up to the crash.
    async fn turn(
        &self,
        at: Option<(u64, CrashSide)>,
        workflow: &str,
        input: &(impl Serialize + ?Sized),
    ) -> Result<(Outcome, u64), TestError> {
        let (database, folder) = (TestDatabase::new().await?, Folder::default());
        if let Some(set_up) = &self.set_up {
            set_up(database.pool().clone()).await.map_err(TestError::App)?;
        }
        let piton = piton(self.app.clone(), self.mocked.clone(), database.url().to_owned()).await?;
        let run = piton.start(workflow, input).await?;
        let crash = database.crash_point(at)?;
        let first = self.boot(&folder, crash.url());
        let (result, commits) = self.through(first, crash, &database, &run, &folder).await?;
        let turn = CrashTurn { pool: database.pool().clone(), run: run.id(), at };
        let mut outcome = Outcome::of(database.store(), run.id(), result).await.map_err(DatabaseError::from)?;
        if let Some(normalize) = &self.normalize {
            outcome.normalize(normalize);
        }
        if let Some(check) = &self.check {
            let checked = AssertUnwindSafe(check(turn.clone())).catch_unwind().await;
            checked.map_err(|panic| TestError::Crash { place: turn.to_string(), what: said(&*panic) })?;
        }
        Ok((outcome, commits))
    }

    /// One worker up to the crash, and another one up to the end.
    async fn through(
        &self,
        mut worker: Process,
        crash: CrashPoint,
        database: &TestDatabase,
        run: &Run,
        folder: &Folder,
    ) -> Result<(Result<Value, TestError>, u64), TestError> {
        let over = tokio::select! {
            biased;
            () = crash.reached() => None,
            result = result(database, run, LIMIT) => Some(result),
            ended = worker.ended() => return Err(ended.err().unwrap_or_else(stopped)),
        };
        let commits = crash.commits();
        if crash.is_sent() {
            // The run may be seen to be over before the commit is answered that ended it.
            crash.reached().await;
        }
        worker.kill().await;
        let is_reached = crash.is_reached();
        drop(crash);
        if let Some(result) = over.filter(|_| !is_reached) {
            return Ok((result, commits));
        }
        let mut worker = self.boot(folder, database.url());
        let result = tokio::select! {
            result = result(database, run, LIMIT) => result,
            ended = worker.ended() => return Err(ended.err().unwrap_or_else(stopped)),
        };
        worker.kill().await;
        Ok((result, commits))
    }

    fn boot(&self, folder: &Folder, url: &str) -> Process {
        let (app, mocked, url) = (self.app.clone(), self.mocked.clone(), url.to_owned());
        Process::start(move || piton(app, mocked, url), Artifacts::in_folder(folder.path().to_owned()))
    }
}

async fn piton(app: MakeApp, mocked: Vec<Mocked>, url: String) -> Result<Piton, TestError> {
    let app = app(url.clone()).await.map_err(TestError::App)?;
    let arranged = Piton::builder(app, url).build_with(|workflows, handlers| arrange(workflows, &mocked, handlers));
    Ok(arranged.await?)
}

fn stopped() -> TestError {
    TestError::Server("the test's worker has stopped by itself".to_owned())
}

fn said(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    said.unwrap_or("the check panicked").to_owned()
}
