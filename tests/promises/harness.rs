//! One private cluster for all tests of the process, a database for each test, and processes that never outlive theirs.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use piton::embedded::{Cluster, Settings, SupervisorCommand};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// Longest wait for anything that should happen at once; a busy machine gets ten times what it needs.
pub(crate) const SOON: Duration = Duration::from_secs(60);

use crate::server::Server;

/// The cluster lives as long as a test that uses it: nothing is left behind, also when tests fail.
struct Shared {
    cluster: Option<Cluster>,
    folder: TempDir,
}

impl Shared {
    fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().unwrap()
    }
}

impl Drop for Shared {
    /// The supervisor stops the server once the last client is gone; the folder must not go before them.
    fn drop(&mut self) {
        let supervisor = self.cluster().folder().join("supervisor.lock");
        self.cluster = None;
        if let Ok(lock) = std::fs::File::open(&supervisor) {
            lock.lock().unwrap();
        }
        assert!(self.folder.path().is_dir());
    }
}

static SHARED: Mutex<Weak<Shared>> = Mutex::const_new(Weak::new());
static DATABASES: AtomicU32 = AtomicU32::new(0);

const TEMPLATE: &str = "piton_template";

/// The database of one test, migrated, with a folder for its files.
pub(crate) struct World {
    pub(crate) pool: PgPool,
    pub(crate) url: String,
    pub(crate) folder: TempDir,
    /// What its commands and workers find in their environment beside the usual.
    pub(crate) environment: Vec<(&'static str, String)>,
    // Last, so that the cluster goes after everything that uses it.
    _shared: Option<Arc<Shared>>,
}

impl World {
    /// With these workflow files.
    pub(crate) async fn with(workflows: &[&str]) -> World {
        let shared = shared().await;
        let name = format!("t_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let mut admin = shared.cluster().options("postgres").connect().await.unwrap();
        admin.execute(AssertSqlSafe(format!("create database {name} template {TEMPLATE}"))).await.unwrap();
        admin.close().await.unwrap();
        let pool = pool(shared.cluster().options(&name));
        let world = World {
            pool,
            url: shared.cluster().url(&name),
            folder: folder(),
            environment: Vec::new(),
            _shared: Some(shared),
        };
        world.write_workflows(workflows);
        world
    }

    /// On a server of the test's own.
    pub(crate) async fn on(server: &Server, workflows: &[&str]) -> World {
        World::at(server.url(), workflows).await
    }

    /// In a database that is empty.
    pub(crate) async fn at(url: String, workflows: &[&str]) -> World {
        let world =
            World { pool: pool(url.parse().unwrap()), url, folder: folder(), environment: Vec::new(), _shared: None };
        stdout(&world.command(["migrate"]).output().unwrap());
        world.write_workflows(workflows);
        world
    }

    pub(crate) fn write_workflows(&self, workflows: &[&str]) {
        let folder = self.folder.path().join("workflows");
        std::fs::create_dir_all(&folder).unwrap();
        for (number, text) in workflows.iter().enumerate() {
            std::fs::write(folder.join(format!("{number}.toml")), text).unwrap();
        }
    }

    /// Name of its database, and the folder of the server's socket.
    pub(crate) fn database(&self) -> (String, PathBuf) {
        let (database, options) = self.url.strip_prefix("postgresql:///").unwrap().split_once("?host=").unwrap();
        let folder = percent_encoding::percent_decode_str(options.split('&').next().unwrap()).decode_utf8().unwrap();
        (database.to_owned(), PathBuf::from(folder.into_owned()))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command of the test worker on this database.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        self.command_of(&example("test-worker"), arguments)
    }

    pub(crate) fn command_of<A: AsRef<OsStr>>(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("DATABASE_URL", &self.url)
            .env("JOURNAL", self.path("journal"))
            .env("PITON_METRICS", "127.0.0.1:0")
            .env("PITON_ARTIFACT_STORE", self.path("artifacts"))
            .env("RUST_BACKTRACE", "0")
            .env("TMPDIR", self.folder.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path());
        command
    }

    /// Starts a worker with that name and these further arguments.
    pub(crate) fn worker(&self, name: &str, arguments: &[&str]) -> Process {
        let folder = self.path("workflows");
        let mut all = vec!["worker", "--name", name, "--workflows", folder.to_str().unwrap()];
        all.extend(arguments);
        Process::spawn(self.command(all), self.path(&format!("{name}.log")))
    }

    /// Starts a run through the command line.
    pub(crate) fn start(&self, workflow: &str, input: &str) -> String {
        let file = self.path("input.json");
        std::fs::write(&file, input).unwrap();
        let folder = self.path("workflows");
        let arguments = ["start", workflow, "--input", file.to_str().unwrap(), "--workflows", folder.to_str().unwrap()];
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Makes the version of its file current, without a run.
    pub(crate) fn deploy(&self, workflow: &str) {
        let folder = self.path("workflows");
        let arguments = ["workflows", "deploy", workflow, "--workflows", folder.to_str().unwrap()];
        stdout(&self.command(arguments).output().unwrap());
    }

    pub(crate) async fn state(&self, run: &str) -> String {
        let query = sqlx::query_scalar("select state from piton.runs where uuid = $1::uuid").bind(run);
        query.fetch_one(&self.pool).await.unwrap()
    }

    /// Waits until nothing more happens to the run by itself, and returns its state.
    pub(crate) async fn ended(&self, run: &str) -> String {
        let is_live = async || -> bool {
            sqlx::query_scalar(
                "select state = 'running' or exists (select from piton.jobs j where j.run_id = r.id)
                 from piton.runs r where uuid = $1::uuid",
            )
            .bind(run)
            .fetch_one(&self.pool)
            .await
            .unwrap()
        };
        until(SOON * 2, "the run is over", async || !is_live().await).await;
        self.state(run).await
    }

    /// Ends every database session of Piton's processes.
    pub(crate) async fn cut_sessions(&self) {
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid() and application_name = 'piton'",
        )
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// The only dead letter that is pending.
    pub(crate) async fn dead_letter(&self) -> String {
        let sql = "select id::text from piton.dead_letters where resolution = 'pending'";
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    /// What the handlers wrote, one line per attempt that began.
    pub(crate) fn journal(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("journal")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What `piton.unexplained_jobs` says, a line for each row.
    pub(crate) async fn unexplained(&self) -> Vec<String> {
        let sql = "select concat_ws(' ', stage, item, what) from piton.unexplained_jobs order by 1";
        sqlx::query_scalar(sql).fetch_all(&self.pool).await.unwrap()
    }

    /// No run leaves a trace in the tables of what is live, and every number of an attempt is there.
    pub(crate) async fn assert_nothing_is_left(&self) {
        assert_eq!(self.count("select count(*) from piton.jobs").await, 0, "jobs are left");
        assert_eq!(self.unexplained().await, [""; 0], "what is left has no explanation");
        let holes = self
            .count(
                "select count(*) from (
                     select max(attempt) - count(*) as missing
                     from (select run_id, stage, item, attempt from piton.checkpoints
                           union all select run_id, stage, item, attempt from piton.attempts) as ended
                     group by run_id, stage, item) as jobs
                 where missing <> 0",
            )
            .await;
        assert_eq!(holes, 0, "attempts are numbered with holes");
    }
}

async fn shared() -> Arc<Shared> {
    let mut known = SHARED.lock().await;
    if let Some(shared) = known.upgrade() {
        return shared;
    }
    let folder = folder();
    let settings = Settings {
        root: folder.path().to_path_buf(),
        programs: None,
        supervisor: SupervisorCommand {
            exe: env!("CARGO_BIN_EXE_piton").into(),
            args: vec!["__postgres-supervisor".into()],
        },
        linger: Duration::ZERO,
        server_options: vec![
            ("max_connections".into(), "400".into()),
            ("shared_preload_libraries".into(), "pg_stat_statements".into()),
        ],
    };
    let cluster = Cluster::start(settings).await.unwrap();
    let mut admin = cluster.options("postgres").connect().await.unwrap();
    admin.execute(AssertSqlSafe(format!("create database {TEMPLATE}"))).await.unwrap();
    admin.close().await.unwrap();
    let migrated = Command::new(env!("CARGO_BIN_EXE_piton"))
        .args(["migrate", "--database-url", &cluster.url(TEMPLATE)])
        .output()
        .unwrap();
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let shared = Arc::new(Shared { cluster: Some(cluster), folder });
    *known = Arc::downgrade(&shared);
    shared
}

/// A folder that the server's user can pass through, also when the tests run as root.
pub(crate) fn folder() -> TempDir {
    let open = std::fs::Permissions::from_mode(0o711);
    tempfile::Builder::new().prefix("piton-test-").permissions(open).tempdir().unwrap()
}

pub(crate) fn pool(options: sqlx::postgres::PgConnectOptions) -> PgPool {
    PgPoolOptions::new().max_connections(3).acquire_timeout(SOON).connect_lazy_with(options)
}

/// Examples are built next to the binary.
pub(crate) fn example(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_piton")).parent().unwrap().join("examples").join(name);
    assert!(program.is_file(), "{} is not built; `cargo test` builds it", program.display());
    program
}

/// Waits for something to become true.
pub(crate) async fn until(deadline: Duration, what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + deadline;
    while !happened().await {
        assert!(Instant::now() < end, "within {deadline:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A process that is killed when its test is over, however it is over.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub(crate) fn spawn(mut command: Command, log: PathBuf) -> Process {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Process { child: command.spawn().unwrap(), log }
    }

    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        std::fs::File::open(&self.log).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    pub(crate) async fn says(&self, words: &str) {
        until(SOON, words, async || self.log().contains(words)).await;
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        until(SOON, "the process ends", async || !self.is_running()).await;
        self.child.wait().unwrap().code()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a command printed, or what it said instead.
pub(crate) fn stdout(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out.into_owned()
}
