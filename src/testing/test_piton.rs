//! Whole workflows under test: a database, a worker, and stages of which some are mocked.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::PgPool;

use super::arrange::{Mocked, arrange};
use super::database::TestDatabase;
use super::dead_letter::TestDeadLetter;
use super::error::TestError;
use super::folder::Folder;
use super::mocks::Mock;
use super::process::Process;
use super::result::{LIMIT, dead_letters, result};
use crate::app::App;
use crate::artifacts::Artifacts;
use crate::client::{Piton, Run};
use crate::model::id::RunId;

/// Piton in a test: a database of its own, the workflows and handlers of an [`App`], and a worker for them.
///
/// ```
/// use piton::testing::{Mock, TestPiton};
/// use piton::{App, Failure, FailureClass, Input};
/// use serde_json::{Value, json};
///
/// const FILE: &str = r#"
/// name = "greet"
/// [stages.look_up]
/// http = "https://names.example/${TOKEN}"
/// [stages.greet]
/// rust = "greet"
/// needs = ["look_up"]
/// "#;
///
/// async fn greet(Input(input): Input<Value>) -> Result<String, Failure> {
///     Ok(format!("Hello, {}!", input["look_up"].as_str().unwrap_or_default()))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// // The first attempt fails; the wait before the second one is skipped.
/// let names = Mock::fail(FailureClass::NetworkTimeout, "no answer").then(Mock::output("Ada"));
/// let app = App::new().workflow("greet.toml", FILE).handler("greet", greet);
/// let piton = TestPiton::builder(app).mock("greet", "look_up", names.clone()).build().await.unwrap();
///
/// let greeting: String = piton.run("greet", &json!({})).await.unwrap();
/// assert_eq!(greeting, "Hello, Ada!");
/// assert_eq!(names.calls().len(), 2);
/// # }
/// ```
#[derive(Debug)]
pub struct TestPiton {
    // Killed before the database goes.
    worker: Process,
    piton: Piton,
    limit: Duration,
    database: TestDatabase,
    _folder: Folder,
}

/// Made by [`TestPiton::builder`].
#[derive(Debug)]
#[must_use = "nothing happens before it is built"]
pub struct TestPitonBuilder {
    app: App,
    mocked: Vec<Mocked>,
    limit: Duration,
    database: Option<TestDatabase>,
}

impl TestPitonBuilder {
    /// Answers that stage of that workflow by a mock: what the file says it runs need not be there.
    pub fn mock(mut self, workflow: &str, stage: &str, mock: Mock) -> TestPitonBuilder {
        self.mocked.push(Mocked { workflow: workflow.to_owned(), stage: stage.to_owned(), mock });
        self
    }

    /// In that database, where the test had to make one first: for states of the app that are connected to it.
    pub fn database(self, database: TestDatabase) -> TestPitonBuilder {
        TestPitonBuilder { database: Some(database), ..self }
    }

    /// How long [`TestPiton::run`] waits at most. Default 60 s.
    pub fn limit(self, limit: Duration) -> TestPitonBuilder {
        TestPitonBuilder { limit, ..self }
    }

    /// Makes the database, registers the workflows, and begins to work.
    pub async fn build(self) -> Result<TestPiton, TestError> {
        let database = match self.database {
            Some(database) => database,
            None => TestDatabase::new().await?,
        };
        let mocked = self.mocked;
        let folder = Folder::default();
        let artifacts = Artifacts::in_folder(folder.path().to_owned());
        let builder = Piton::builder(self.app, database.url()).artifacts_at(artifacts.clone());
        let piton = builder.build_with(|workflows, handlers| arrange(workflows, &mocked, handlers)).await?;
        let booted = piton.clone();
        let worker = Process::start(move || std::future::ready(Ok(booted)), artifacts);
        Ok(TestPiton { worker, piton, limit: self.limit, database, _folder: folder })
    }
}

impl TestPiton {
    /// Begins with what the program brings along.
    pub fn builder(app: App) -> TestPitonBuilder {
        TestPitonBuilder { app, mocked: Vec::new(), limit: LIMIT, database: None }
    }

    /// With nothing mocked.
    pub async fn new(app: App) -> Result<TestPiton, TestError> {
        TestPiton::builder(app).build().await
    }

    /// Runs a workflow on that input to its end, and reads its output as [`Run::result`] does. Waits are skipped: while nothing runs
    /// and something is due later, such as a retry, that time [goes by](TestPiton::advance) at once.
    pub async fn run<T: DeserializeOwned>(
        &self,
        workflow: &str,
        input: &(impl Serialize + ?Sized),
    ) -> Result<T, TestError> {
        self.result(&self.piton.start(workflow, input).await?).await
    }

    /// The same of a run that was started through [`TestPiton::piton`]: with a key, a deadline, or later.
    pub async fn result<T: DeserializeOwned>(&self, run: &Run) -> Result<T, TestError> {
        result(&self.database, run, self.limit).await
    }

    /// To start runs, and to ask about them, as the program does.
    pub fn piton(&self) -> &Piton {
        &self.piton
    }

    /// Connections to its database.
    pub fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    /// Its database.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// Lets that span go by, such as `2h`; see [`TestDatabase::advance`].
    pub async fn advance(&self, span: &str) -> Result<(), TestError> {
        self.database.advance(span).await
    }

    /// What the run has given up, and nobody has decided about yet, the last one first.
    pub async fn dead_letters(&self, run: RunId) -> Result<Vec<TestDeadLetter>, TestError> {
        Ok(dead_letters(&self.database, run).await?)
    }

    /// Lets what runs finish, and stops the worker, as SIGTERM does. Where this is not called, the worker ends at once with this
    /// value, as if its process were killed.
    pub async fn shutdown(self) -> Result<(), TestError> {
        self.worker.stop().await
    }
}
