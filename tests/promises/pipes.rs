//! A command ends as it would have ended, whoever stops reading what it says; a disk that is full is an error.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, Read, pipe};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Process, SOON, World, example, stdout, until};
use crate::server::free_port;
use crate::workflows::{CHAIN, MISBEHAVE, SQUARES, WORK};

const KEEP: &str = "name = \"keep\"\n[stages.keep]\nrust = \"keep\"\n";

const LATER: &str = "name = \"later\"\n[stages.rest]\nsleep = \"6h\"\n\
    [stages.ask]\nwait = { for = \"signal\", name = \"go\", timeout = \"72h\" }\n\
    [schedules.daily]\ncron = \"@daily\"\n[schedules.yearly]\ncron = \"@yearly\"\n";

/// What commands are tried with that need more than their name. Words in capitals stand for something of the world.
const WITH: &[&str] = &[
    "run work",
    "start work",
    "show BLOCKED",
    "try KEPT keep",
    "cancel LIVE --reason test",
    "pause squares --stage square --reason test",
    "resume PAUSED --by test",
    "batch start NEW misbehave --input items.jsonl",
    "batch show night",
    "batch cancel BATCH --reason test",
    "batch retry night",
    "batch results night",
    "artifacts list KEPT",
    "artifacts get KEPT a.txt --to -",
    "dead-letter show LETTER",
    "dead-letter retry LETTER",
    "dead-letter dismiss LETTER --reason test",
    "dead-letter force LIVE first --reason test",
    "verify --all",
    "cleanup keep runs done 30d",
    "cleanup hold LIVE --reason test",
    "cleanup release HELD",
    "health --at METRICS",
    "bench --runs 4 --stages 2 --items 4",
    "chaos --seconds 5 --workers 1 --seed 1",
    "workflows new NEW --to NEW.toml",
    "workflows test cases",
    "workflows show work",
    "workflows versions work",
    "workflows deploy squares",
    "workflows rollback ROLLED",
    "workflows graph squares",
    "retry-policy simulate workflows/misbehave.toml",
    "completions bash",
    "wake WAITING rest",
    "signal WAITING go",
    "complete 1.0.-1.00000000000000000000000000000000",
    "fail 1.0.-1.00000000000000000000000000000000",
    "schedules show later yearly",
    "schedules next later yearly",
    "schedules pause later yearly --reason test",
    "schedules resume later STOPPED",
    "schedules trigger later yearly",
    "schedules backfill later yearly --from 2024-06-01 --again --name NEW",
];

/// They work until they are told to stop.
const LONG_LIVED: &[&str] = &["worker", "api", "callbacks"];
/// They take seconds each time, and say all that they say through the same writer.
const LONG: &[&str] = &["bench", "chaos"];

/// Who reads what a command says.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Readers {
    /// Both are read to their ends.
    All,
    /// Nobody reads standard output from the start on.
    NoOut,
    /// The reader of standard output leaves after its first line, as `head -1`.
    FirstLine,
    /// Nobody reads standard error.
    NoError,
    /// Nobody reads either.
    None,
    /// Both were closed before the command started.
    Closed,
    /// Standard output is a disk that is full.
    Full,
    /// And so is standard error.
    FullError,
}

struct Scene {
    // First, so that it ends before the world does.
    _worker: Process,
    world: World,
    letters: Mutex<Vec<String>>,
    blocked: String,
    kept: String,
    metrics: u16,
    numbers: AtomicU32,
}

/// How a command ended, and what it said to those who read.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    error: String,
}

impl Scene {
    async fn new() -> Scene {
        let world = World::with(&[WORK, CHAIN, SQUARES, KEEP, LATER]).await;
        std::fs::write(world.path("workflows/misbehave.toml"), MISBEHAVE).unwrap();
        std::fs::write(world.path("items.jsonl"), "{\"how\": \"null\"}\n".repeat(3)).unwrap();
        for text in ["first", "second"] {
            let file = format!("name = \"rolled\"\ndescription = \"{text}\"\n[stages.work]\nrust = \"work\"\n");
            std::fs::write(world.path(&format!("{text}.toml")), file).unwrap();
        }
        std::fs::create_dir(world.path("cases")).unwrap();
        let cases = "workflow = \"work\"\n[cases.mocked]\nmocks.work = { output = 1 }\nexpect.output = 1\n";
        std::fs::write(world.path("cases/work.test.toml"), cases).unwrap();
        let metrics = free_port();
        // Its health stays the same, whatever fails in it.
        let healthy = ["--health-threshold", "queue.failed_share=2:3"];
        let worker = world
            .worker("w1", &[&["--metrics", &format!("127.0.0.1:{metrics}"), "--log", "off"][..], &healthy].concat());
        let kept = world.start("keep", r#"{"names": ["a.txt"]}"#);
        let blocked = world.start("misbehave", r#"{"how": "nonsense"}"#);
        let scene = Scene {
            _worker: worker,
            world,
            letters: Mutex::default(),
            blocked,
            kept,
            metrics,
            numbers: AtomicU32::new(0),
        };
        scene.does("pause chain --reason test");
        scene.does("batch start night misbehave --input items.jsonl");
        let fails = "select count(*) from piton.start_runs('misbehave', array_fill('{\"how\": \"nonsense\"}'::json, array[60]))";
        scene.world.count(fails).await;
        let failed = async || scene.world.count("select count(*) from piton.dead_letters").await == 61;
        until(SOON, "all of them have failed", failed).await;
        assert_eq!(scene.world.ended(&scene.kept).await, "done");
        let letters =
            "select d.id::text from piton.dead_letters d join piton.runs r on r.id = d.run_id where r.uuid <> $1::uuid";
        let letters = sqlx::query_scalar(letters).bind(&scene.blocked).fetch_all(&scene.world.pool).await.unwrap();
        *scene.letters.lock().unwrap() = letters;
        scene
    }

    /// What one command needs for itself alone is made anew for each time that it is tried.
    fn arguments(&self, command: &str) -> Vec<String> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let live = || self.does("start chain").trim().to_owned();
        let given = |word: &str| match word {
            "BLOCKED" => self.blocked.clone(),
            "KEPT" => self.kept.clone(),
            "LIVE" => live(),
            "HELD" => {
                let run = live();
                self.does(&format!("cleanup hold {run} --reason test"));
                run
            }
            "LETTER" => self.letters.lock().unwrap().pop().unwrap(),
            "BATCH" => {
                self.does(&format!("batch start b{number} chain --input items.jsonl"));
                format!("b{number}")
            }
            "PAUSED" => {
                self.does("pause keep --reason test");
                "keep".to_owned()
            }
            "ROLLED" => {
                self.does("workflows deploy first.toml");
                self.does("workflows deploy second.toml");
                "rolled".to_owned()
            }
            "WAITING" => {
                let run = self.does("start later").trim().to_owned();
                let begun = Instant::now();
                while self.does("waits --json").matches(&run).count() < 2 {
                    assert!(begun.elapsed() < SOON, "{run} never waits");
                    std::thread::sleep(Duration::from_millis(20));
                }
                run
            }
            "STOPPED" => {
                self.does("schedules pause later daily --reason test");
                "daily".to_owned()
            }
            "METRICS" => format!("127.0.0.1:{}", self.metrics),
            word => word.replace("NEW", &format!("new-{number}")),
        };
        command.split(' ').map(given).collect()
    }

    fn command(&self, arguments: &[String]) -> Command {
        let mut command = self.world.command(arguments);
        command.env("PITON_WORKFLOWS", self.world.path("workflows"));
        // Starting a server for each `workflows test` takes long.
        command.env("PITON_TEST_DATABASE_URL", &self.world.url);
        command
    }

    fn does(&self, command: &str) -> String {
        let arguments: Vec<String> = command.split(' ').map(str::to_owned).collect();
        stdout(&self.command(&arguments).output().unwrap())
    }

    fn tried(&self, command: &str, readers: Readers) -> Ended {
        let arguments = self.arguments(command);
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let said = self.world.path(&format!("said-{number}"));
        let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
        let mut command = match readers {
            Readers::Closed => self.closed(&arguments),
            _ => self.command(&arguments),
        };
        command.stdin(Stdio::null()).stderr(File::create(&said).unwrap());
        let mut reader = None;
        match readers {
            Readers::All | Readers::FirstLine | Readers::NoError => {
                let (read, write) = pipe().unwrap();
                command.stdout(write);
                reader = Some(read);
            }
            Readers::NoOut | Readers::None => drop(command.stdout(nobody())),
            Readers::Closed => {}
            Readers::Full | Readers::FullError => drop(command.stdout(full())),
        }
        match readers {
            Readers::NoError | Readers::None => drop(command.stderr(nobody())),
            Readers::FullError => drop(command.stderr(full())),
            Readers::All | Readers::NoOut | Readers::FirstLine | Readers::Full | Readers::Closed => {}
        }
        let child = command.spawn().unwrap();
        // It holds the other end of the pipe, which is read to its end.
        drop(command);
        let out = reader.map(|reader| read(reader, readers)).unwrap_or_default();
        let code = ended(child, &arguments);
        Ended { code, out, error: std::fs::read_to_string(said).unwrap() }
    }

    /// Through a shell that closes its own standard output and error.
    fn closed(&self, arguments: &[String]) -> Command {
        let program = example("test-worker");
        let through = ["-c", "exec \"$@\" >&- 2>&-", "sh", program.to_str().unwrap()];
        let all: Vec<String> = through.iter().map(|word| (*word).to_owned()).chain(arguments.iter().cloned()).collect();
        let mut command = self.world.command_of(Path::new("/bin/sh"), &all);
        command.env("PITON_WORKFLOWS", self.world.path("workflows"));
        // Starting a server for each `workflows test` takes long.
        command.env("PITON_TEST_DATABASE_URL", &self.world.url);
        command
    }

    /// What is wrong with the ways in which it ends, a line each.
    fn wrong(&self, command: &str) -> Vec<String> {
        let usual = self.tried(command, Readers::All);
        if usual.code == Some(2) {
            return vec![format!("`{command}` needs arguments here: add it to WITH: {}", usual.error)];
        }
        let mut ways = vec![Readers::NoOut, Readers::Full];
        if !is_long(command) {
            ways.extend([Readers::NoError, Readers::None, Readers::Closed, Readers::FullError]);
        }
        if usual.out.lines().count() > 1 && !is_long(command) {
            ways.push(Readers::FirstLine);
        }
        let wrong = ways.into_iter().flat_map(|readers| judge(command, &usual, readers, &self.tried(command, readers)));
        wrong.collect()
    }
}

fn is_long(command: &str) -> bool {
    LONG.contains(&command.split(' ').next().unwrap())
}

/// A pipe that nobody reads.
fn nobody() -> Stdio {
    let (_, write) = pipe().unwrap();
    write.into()
}

fn read(reader: PipeReader, readers: Readers) -> String {
    let (mut reader, mut text) = (BufReader::new(reader), String::new());
    match readers {
        Readers::FirstLine => reader.read_line(&mut text).unwrap(),
        _ => reader.read_to_string(&mut text).unwrap(),
    };
    text
}

fn ended(mut child: Child, arguments: &[String]) -> Option<i32> {
    let end = Instant::now() + SOON * 2;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("it goes on and on: {arguments:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait().unwrap().code()
}

fn judge(command: &str, usual: &Ended, readers: Readers, ended: &Ended) -> Option<String> {
    let is_full = matches!(readers, Readers::Full | Readers::FullError) && !usual.out.is_empty();
    let code = if is_full { Some(1) } else { usual.code };
    let is_said = readers != Readers::Full || !is_full || ended.error.contains("standard output cannot be written");
    let is_quiet = !ended.error.contains("panicked") && !ended.error.contains("Broken pipe");
    let is_right = ended.code == code && is_said && is_quiet;
    (!is_right).then(|| format!("`{command}`, {readers:?}: {ended:?} instead of {code:?}"))
}

/// Every command that help lists, with those below it.
fn commands(scene: &Scene, above: &[String]) -> BTreeSet<String> {
    let help: Vec<String> = above.iter().cloned().chain(["--help".to_owned()]).collect();
    let text = stdout(&scene.command(&help).output().unwrap());
    let Some((_, list)) = text.split_once("\nCommands:\n") else { return BTreeSet::from([above.join(" ")]) };
    let names = list.lines().take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.flat_map(|name| commands(scene, &[above, &[name.to_owned()]].concat())).collect()
}

/// Commands as they are tried.
fn to_try(scene: &Scene) -> Vec<String> {
    let all = commands(scene, &[]);
    assert!(all.len() >= 45 && all.contains("dead-letter stats"), "{all:?}");
    let begins = |with: &str, command: &str| with == command || with.starts_with(&format!("{command} "));
    let unknown: Vec<_> = WITH.iter().filter(|with| !all.iter().any(|command| begins(with, command))).collect();
    assert!(unknown.is_empty(), "there are no such commands: {unknown:?}");
    let short = all.into_iter().filter(|command| !LONG_LIVED.contains(&command.as_str()));
    let with =
        |command: String| WITH.iter().find(|with| begins(with, &command)).map_or(command, |with| (*with).to_owned());
    short.map(with).chain(["--help", "--version"].map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_outlives_the_readers_of_what_it_says_and_tells_of_a_full_disk() {
    let scene = Scene::new().await;
    let left = Mutex::new(to_try(&scene));
    let wrong = Mutex::new(Vec::new());
    let one_after_another = || loop {
        let Some(command) = left.lock().unwrap().pop() else { break };
        let mut found = scene.wrong(&command);
        if !is_long(&command) {
            found.extend(scene.wrong(&format!("{command} --json")));
        }
        wrong.lock().unwrap().extend(found);
    };
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(one_after_another);
            }
        });
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_works_until_it_is_told_to_stop_needs_nobody_who_reads() {
    let world = World::with(&[CHAIN]).await;
    let folder = world.path("workflows");
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for (name, out, error) in [("gone", nobody(), nobody()), ("full", full(), full())] {
        let mut command =
            world.command(["worker", "--name", name, "--log", "debug", "--workflows", folder.to_str().unwrap()]);
        let worker = command.stdin(Stdio::null()).stdout(out).stderr(error).spawn().unwrap();
        let run = world.start("chain", "{}");
        assert_eq!(world.ended(&run).await, "done");
        terminate(&worker);
        assert_eq!(ended(worker, &[name.to_owned()]), Some(0));
    }
    for (out, error) in [(nobody(), nobody()), (full(), full())] {
        let listen = format!("127.0.0.1:{}", free_port());
        let mut command = world.command(["api", "--listen", &listen]);
        let api = command.stdin(Stdio::null()).stdout(out).stderr(error).spawn().unwrap();
        until(SOON, "it is served", async || std::net::TcpStream::connect(&listen).is_ok()).await;
        terminate(&api);
        let code = ended(api, &["api".to_owned()]);
        assert!(matches!(code, Some(0 | 1)), "{code:?}");
    }
}

fn terminate(child: &Child) {
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
}

#[tokio::test]
async fn a_run_that_is_followed_goes_on_to_its_end_whoever_reads_and_an_error_names_it() {
    let scene = Scene::new().await;
    let ends = "select count(*) from piton.runs_overview where workflow = 'work' and state = 'done'";
    for (number, readers) in [Readers::NoOut, Readers::None, Readers::Closed].into_iter().enumerate() {
        let ended = scene.tried("run work --set work_ms=1000", readers);
        assert_eq!((ended.code, scene.world.count(ends).await), (Some(0), number as i64 + 1), "{readers:?} {ended:?}");
    }
    for (number, command) in ["run work", "run work --json", "start work", "start work --json"].iter().enumerate() {
        let ended = scene.tried(command, Readers::Full);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let newest = "select uuid::text from piton.runs order by id desc limit 1";
        let run: String = sqlx::query_scalar(newest).fetch_one(&scene.world.pool).await.unwrap();
        let (_, error) = ended.error.split_once("error: standard output cannot be written").unwrap();
        assert!(error.contains(&run), "{command}: {}", ended.error);
        let state = scene.world.ended(&run).await;
        assert_eq!((state.as_str(), scene.world.count(ends).await), ("done", number as i64 + 4));
    }
    let ended = scene.tried("batch start full misbehave --input items.jsonl", Readers::Full);
    assert!(ended.code == Some(1) && ended.error.contains("Batch full of misbehave: 3 items"), "{ended:?}");
}
