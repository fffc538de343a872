//! The private Postgres, used by real processes that are really killed.

use std::fs::File;
use std::os::unix::{fs::MetadataExt, process::CommandExt};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use piton::embedded::find_binaries;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tempfile::TempDir;

use crate::harness::{Process, SOON, folder, until};

/// By then a server that nobody uses is gone; it takes a tenth of a second.
const GONE: Duration = Duration::from_secs(10);
const SET_UP: &str = "A private Postgres was set up in ";

/// A data folder of its own. Whatever became of the test, no server of it is left.
struct Home {
    folder: TempDir,
    major: u32,
}

impl Home {
    fn new() -> Home {
        let home = Home { folder: folder(), major: find_binaries().unwrap().major };
        std::fs::create_dir(home.path("workflows")).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What belongs to the cluster of the installed version.
    fn cluster(&self, name: &str) -> PathBuf {
        self.path(&format!("pg{}", self.major)).join(name)
    }

    /// Whom `postmaster.pid` names.
    fn named(&self) -> Option<Pid> {
        let text = std::fs::read_to_string(self.cluster("data/postmaster.pid")).ok()?;
        Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
    }

    /// The running server and its supervisor.
    fn server(&self) -> (Pid, Pid) {
        let server = self.named().expect("a server runs");
        (server, look_at(server).expect("the named server runs").0)
    }

    /// Asks the database for one text, as nobody who keeps its server.
    async fn ask(&self, sql: &'static str) -> sqlx::Result<String> {
        let options = PgConnectOptions::new_without_pgpass().socket(self.cluster("run")).port(5432);
        let options = options.username("piton").database("piton").ssl_mode(PgSslMode::Disable);
        sqlx::query_scalar(sql).fetch_one(&mut options.connect().await?).await
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_piton"));
        command.args(arguments).arg("--workflows").arg(self.path("workflows"));
        command.arg("--data-dir").arg(self.folder.path());
        command.env_remove("DATABASE_URL").env("PITON_LOG", "info").current_dir(self.folder.path());
        command
    }

    /// Runs a command to its end, which is this exit code, and returns all that it said.
    async fn ended(&self, command: Command, code: i32) -> String {
        let log = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        let mut process = Process::spawn(command, log.path().to_path_buf());
        assert_eq!(process.exit_code().await, Some(code), "{}", process.log());
        process.log()
    }

    async fn says(&self, arguments: &[&str]) -> String {
        self.ended(self.command(arguments), 0).await
    }

    /// Starts a run that nobody works on, and returns its id.
    async fn start_run(&self) -> String {
        let text = "name = \"hello\"\n[stages.greet]\nrust = \"greet\"\n";
        std::fs::write(self.path("workflows/hello.toml"), text).unwrap();
        self.says(&["start", "hello"]).await.lines().last().unwrap().to_owned()
    }

    fn spawn_worker(&self, name: &str) -> Process {
        Process::spawn(self.command(&["worker", "--name", name]), self.path(name))
    }

    async fn worker(&self, name: &str) -> Process {
        let worker = self.spawn_worker(name);
        worker.says("worker started").await;
        worker
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let name = self.folder.path().to_string_lossy().into_owned();
        let is_ours = |pid: &Pid| look_at(*pid).is_some_and(|(_, command)| command.contains(&name));
        let end = Instant::now() + GONE;
        while let Some(server) = self.named().filter(is_ours) {
            if Instant::now() > end {
                // The supervisor first, which may stand still. It may also be gone, and the parent be anyone.
                let supervisor = look_at(server).map(|(parent, _)| parent).filter(is_ours);
                for pid in supervisor.into_iter().chain([server]) {
                    kill_process(pid, Signal::KILL).ok();
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The parent and the command line of a process that is alive.
fn look_at(pid: Pid) -> Option<(Pid, String)> {
    let number = pid.as_raw_pid().to_string();
    let listing = Command::new("ps").args(["-ww", "-o", "stat=", "-o", "ppid=", "-o", "args=", "-p", &number]).output();
    let listing = String::from_utf8(listing.unwrap().stdout).unwrap();
    let mut words = listing.split_whitespace();
    words.next().filter(|state| !state.starts_with('Z'))?;
    let parent = Pid::from_raw(words.next()?.parse().ok()?)?;
    Some((parent, words.collect::<Vec<_>>().join(" ")))
}

async fn gone(what: &str, pids: impl IntoIterator<Item = Pid>) {
    for pid in pids {
        until(GONE, what, async || look_at(pid).is_none()).await;
    }
}

async fn ends_well(worker: &mut Process) {
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
}

#[tokio::test]
async fn the_first_command_sets_up_postgres_and_the_next_ones_find_it_warm() {
    let home = Home::new();
    let begun = Instant::now();
    let said = home.says(&["migrate"]).await;
    assert!(said.contains(SET_UP) && said.contains("Migrated to version"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(30), "the first command took {:?}", begun.elapsed());
    let begun = Instant::now();
    let said = home.says(&["migrate"]).await;
    assert!(!said.contains(SET_UP) && said.contains("The schema is up to date"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(10), "the next command took {:?}", begun.elapsed());
    assert_eq!(home.named(), None, "a command that has ended leaves no server");
}

#[tokio::test]
async fn rows_survive_the_last_client() {
    let home = Home::new();
    let run = home.start_run().await;
    assert_eq!(home.named(), None, "the last client has ended the server");
    let said = home.says(&["runs", "--json"]).await;
    assert!(said.contains(&run), "{run} is not in {said}");
}

#[tokio::test]
async fn eight_processes_at_once_set_up_one_cluster() {
    let home = Home::new();
    let mut workers: Vec<Process> = (0..8).map(|number| home.spawn_worker(&format!("worker-{number}"))).collect();
    for worker in &workers {
        worker.says("worker started").await;
    }
    assert_eq!(workers.iter().filter(|worker| worker.log().contains(SET_UP)).count(), 1);
    let (server, supervisor) = home.server();
    let mut last = workers.pop().unwrap();
    for worker in &mut workers {
        ends_well(worker).await;
    }
    assert_eq!(home.server(), (server, supervisor), "the last worker keeps it");
    ends_well(&mut last).await;
    gone("the last worker ends it", [server, supervisor]).await;
}

#[tokio::test]
async fn nothing_is_left_running_when_the_last_client_is_killed() {
    let home = Home::new();
    let (one, other) = (home.worker("one").await, home.worker("other").await);
    let (server, supervisor) = home.server();
    one.kill();
    home.ask("select 'here'").await.expect("the other worker keeps the server");
    other.kill();
    gone("killed workers leave nothing", [server, supervisor]).await;
    assert_eq!(home.named(), None, "it was stopped in peace");
}

#[tokio::test]
async fn a_killed_server_comes_back_under_a_living_worker() {
    let home = Home::new();
    let run = home.start_run().await;
    let mut worker = home.worker("one").await;
    let (server, _) = home.server();
    kill_process(server, Signal::KILL).unwrap();
    until(SOON, "the worker's heart beats in the new server", async || {
        let beat = "select bool_or(last_seen > pg_postmaster_start_time())::text from piton.workers where name = 'one'";
        home.ask(beat).await.is_ok_and(|beats| beats == "true")
    })
    .await;
    assert_ne!(home.named(), Some(server));
    let said = home.says(&["runs", "--json"]).await;
    assert!(said.contains(&run), "{run} is not in {said}");
    let (server, supervisor) = home.server();
    ends_well(&mut worker).await;
    gone("the new server ends as the old one would", [server, supervisor]).await;
}

#[tokio::test]
async fn a_killed_supervisor_does_not_strand_the_server() {
    let home = Home::new();
    let worker = home.worker("one").await;
    let (server, supervisor) = home.server();
    kill_process(supervisor, Signal::KILL).unwrap();
    gone("the supervisor is killed", [supervisor]).await;
    let lock = home.cluster("supervisor.lock");
    let is_held = async || File::open(&lock).unwrap().try_lock_shared().is_err();
    until(SOON, "the worker starts another supervisor", is_held).await;
    home.ask("select 'here'").await.expect("the server never ceased to answer");
    assert_eq!(home.named(), Some(server), "it is the same server");
    worker.kill();
    gone("the new supervisor ends the server that it adopted", [server]).await;
}

#[tokio::test]
async fn a_stale_pid_file_is_seen_through() {
    let home = Home::new();
    let worker = home.worker("one").await;
    let (server, supervisor) = home.server();
    // A supervisor that stands still cannot end the server in peace, and keeps the worker from starting another.
    kill_process(supervisor, Signal::STOP).unwrap();
    kill_process(server, Signal::KILL).unwrap();
    worker.kill();
    kill_process(supervisor, Signal::KILL).unwrap();
    gone("all are killed", [server, supervisor]).await;

    // Were it another user's, Postgres itself would see that it is no server.
    let mut command = Command::new("sh");
    command.args(["-c", "echo $$; exec sleep 600"]).uid(std::fs::metadata(home.cluster("data")).unwrap().uid());
    let mut stranger = Process::spawn(command, home.path("stranger"));
    stranger.says("\n").await;
    let pid_file = home.cluster("data/postmaster.pid");
    let left = std::fs::read_to_string(&pid_file).unwrap();
    let (_, rest) = left.split_once('\n').unwrap();
    std::fs::write(&pid_file, format!("{}\n{rest}", stranger.log().trim())).unwrap();
    home.says(&["runs"]).await;
    assert!(stranger.is_running(), "a stranger who was given the server's number is left alone");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_is_refused_with_the_cure() {
    let home = Home::new();
    let long = home.path(&"x".repeat(90));
    let mut command = Command::new(env!("CARGO_BIN_EXE_piton"));
    command.arg("migrate").arg("--data-dir").arg(&long).env_remove("DATABASE_URL");
    let said = home.ended(command, 1).await;
    let cure = "bytes long, and systems allow fewer than 100; choose a data folder with a shorter path";
    assert!(said.contains(cure), "{said}");
    assert!(!long.exists(), "it is refused before anything is made");
}

#[tokio::test]
async fn a_wrong_pg_bin_dir_is_named() {
    let home = Home::new();
    let mut command = home.command(&["migrate"]);
    command.env("PG_BIN_DIR", "/etc");
    let cure = "PG_BIN_DIR is /etc, but there is no `initdb` in it; \
                point it at a folder that holds `initdb` and `postgres`, or unset it";
    let said = home.ended(command, 1).await;
    assert!(said.contains(cure), "{said}");
}

#[tokio::test]
async fn ctrl_c_reaches_the_worker_and_not_the_server_before_it() {
    let home = Home::new();
    let mut command = home.command(&["worker", "--name", "one"]);
    command.process_group(0);
    let mut worker = Process::spawn(command, home.path("one"));
    worker.says("worker started").await;
    let mut other = home.worker("other").await;
    let before = home.server();
    // As a terminal does it: to the worker and to all that it has started.
    let pid = home.ask("select pid::text from piton.workers where name = 'one'").await.unwrap();
    kill_process_group(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::INT).unwrap();
    assert_eq!(worker.exit_code().await, Some(0));
    let how = home.ask("select stop_reason from piton.workers where name = 'one'").await;
    assert_eq!(how.expect("the server goes on for the other worker"), "drained");
    assert_eq!(home.server(), before, "neither server nor supervisor was touched");
    ends_well(&mut other).await;
    gone("the last client has ended it", [before.0, before.1]).await;
}

#[tokio::test]
async fn a_stage_that_asks_for_the_database_of_its_worker_is_given_the_private_one() {
    let home = Home::new();
    let piton = env!("CARGO_BIN_EXE_piton");
    let text =
        format!("name = 'asks'\n[stages.asks]\ncommand = ['{piton}', 'runs', '--json']\npass_env = ['DATABASE_URL']\n");
    std::fs::write(home.path("workflows/asks.toml"), text).unwrap();
    let output = home.command(&["run", "asks", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["output"]["asks"][0]["run"], report["run"], "{report}");
}

#[tokio::test]
async fn a_stage_that_asks_for_the_database_of_its_worker_finds_the_files_of_its_run() {
    let home = Home::new();
    let piton = env!("CARGO_BIN_EXE_piton");
    let text = format!(
        "name = 'files'\n[stages.makes]\ncommand = ['sh', '-c', 'printf 42 > $PITON_ARTIFACTS/n; echo 1']\n\
         [stages.gets]\nneeds = ['makes']\ncommand = ['{piton}', 'artifacts', 'get', '{{{{run.id}}}}', 'n', '--to', '-']\n\
         pass_env = ['DATABASE_URL']\n"
    );
    std::fs::write(home.path("workflows/files.toml"), text).unwrap();
    let output = home.command(&["run", "files", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["output"]["gets"], 42, "{report}");
}
