//! Command stages: whatever a program does ends in an output or in a classified failure, and leaves no process.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Process, SOON, World, stdout, until};

/// Runs the script that its input names, once.
const SCRIPT: &str = r#"
name = "script"
[stages.script]
command = ["sh", "-c", "{{input.script}}"]
timeout = "5m"
retry = { max_retries = 0 }
"#;

/// The same in little time.
fn hurried() -> String {
    SCRIPT.replace("name = \"script\"", "name = \"hurried\"").replace("5m", "1s")
}

/// A worker of the plain binary, with these variables.
fn worker(world: &World, name: &str, variables: &[(&str, &str)]) -> Process {
    let folder = world.path("workflows");
    let arguments = ["worker", "--name", name, "--workflows", folder.to_str().unwrap(), "--log", "debug"];
    let mut command = world.command_of(Path::new(env!("CARGO_BIN_EXE_piton")), arguments);
    command.envs(variables.iter().copied());
    Process::spawn(command, world.path(&format!("{name}.log")))
}

/// What is on record of a run's only failure.
#[derive(Debug)]
struct Failed {
    class: String,
    message: String,
    detail: Value,
    took: Duration,
}

#[tokio::test]
async fn the_story_of_a_dead_letter_has_the_program_s_last_words() {
    let world = World::with(&[SCRIPT]).await;
    let _worker = worker(&world, "w1", &[]);
    let run = start(&world, "echo opening the vault >&2; echo it is empty >&2; exit 65");
    assert_eq!(world.ended(&run).await, "blocked");
    let told = stdout(&world.command(["dead-letter", "show", &world.dead_letter().await]).output().unwrap());
    assert!(told.contains("What it said last:\n  opening the vault\n  it is empty\n"), "{told}");
}

async fn failed(world: &World, run: &str) -> Failed {
    assert_eq!(world.ended(run).await, "blocked");
    let (class, message, detail, seconds): (String, String, Option<Value>, f64) = sqlx::query_as(
        "select a.class, a.message, a.detail, extract(epoch from a.ended_at - a.started_at)::float8
         from piton.attempts a join piton.runs r on r.id = a.run_id where r.uuid = $1::uuid",
    )
    .bind(run)
    .fetch_one(&world.pool)
    .await
    .unwrap();
    Failed { class, message, detail: detail.unwrap_or_default(), took: Duration::from_secs_f64(seconds) }
}

/// The output of the last stage of a run that is done.
pub(crate) async fn output(world: &World, run: &str) -> Value {
    assert_eq!(world.ended(run).await, "done");
    sqlx::query_scalar(
        "select k.output from piton.checkpoints k join piton.runs r on r.id = k.run_id where r.uuid = $1::uuid
         order by k.stage desc, k.item desc limit 1",
    )
    .bind(run)
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

fn start(world: &World, script: &str) -> String {
    world.start("script", &json!({"script": script}).to_string())
}

/// Names of the processes that carry the run's id in their environment.
fn processes_of(run: &str) -> Vec<String> {
    let mark = format!("PITON_RUN={run}\0");
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let marked = processes.filter(|process| {
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&mark)
    });
    marked.filter_map(|process| std::fs::read_to_string(process.join("comm")).ok()).collect()
}

async fn no_process_is_left(run: &str) {
    until(SOON, &format!("no process of {run} is left"), async || processes_of(run).is_empty()).await;
}

/// Whether this process, and so its children, ignore that signal.
fn is_ignored(signal: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal - 1) & 1 == 1
}

/// Peak memory of a process, in MiB.
fn peak_mib(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[tokio::test]
async fn whatever_a_program_does_ends_in_a_class_and_leaves_no_process() {
    let world = World::with(&[SCRIPT, &hurried()]).await;
    let mut worker = worker(&world, "w1", &[]);
    let out_of_time = "the stage ran longer than its timeout of 1 s";
    let cases = [
        ("cat > /dev/null; echo '{'", "invalid_input", "the command printed `{`, which is not JSON"),
        ("true", "invalid_input", "the command printed nothing, but the output must be JSON"),
        ("echo so much; exit 65", "invalid_input", "`sh` ended with exit status 65 (EX_DATAERR: wrong input)"),
        ("echo why >&2; exit 75", "resource_unavailable", "(EX_TEMPFAIL: try again later): why"),
        ("exec sleep 60", "network_timeout", out_of_time),
        ("exec >&-; sleep 60", "network_timeout", out_of_time),
        ("exec >&- 2>&- <&-; sleep 60", "network_timeout", out_of_time),
        ("trap '' TERM; while :; do sleep 1; done", "network_timeout", out_of_time),
        ("kill -STOP $$", "network_timeout", out_of_time),
        ("setsid sleep 300 > /dev/null 2>&1 & echo 1", "unknown", "left processes running (sleep)"),
        ("(setsid sleep 300 &); echo 1", "unknown", "left processes running (sleep)"),
        ("(setsid sh -c 'trap \"\" TERM; while :; do sleep 9; done' &); sleep 60", "network_timeout", out_of_time),
        ("head -c 1073741824 /dev/zero", "invalid_input", "the command printed more than 1048576 bytes of output"),
        (
            "head -c 3000000 /dev/zero > $PITON_OUTPUT",
            "invalid_input",
            "wrote into $PITON_OUTPUT more than 1048576 bytes",
        ),
        ("printf '\\377\\376'", "invalid_input", "the command printed text that is not UTF-8: it is UTF-16"),
        ("printf '\"a\\351\"'", "invalid_input", "the command printed text that is not UTF-8: byte 3 is 0xE9"),
        (
            "printf '\\351' > $PITON_OUTPUT",
            "invalid_input",
            "wrote into $PITON_OUTPUT text that is not UTF-8: byte 1 is 0xE9",
        ),
        ("printf '\\351'; exit 65", "invalid_input", "`sh` ended with exit status 65"),
        ("seq 3", "invalid_input", "the command printed more than one JSON value (`1 2 3`)"),
        ("echo '{\"a\": \"\\\\u0000\"}'", "invalid_input", "holds a NUL character"),
        ("echo 1; echo '{\"class\": \"auth_failure\", \"message\": \"not you\"}' >&2", "auth_failure", "not you"),
        ("echo '{\"class\": \"crashed\", \"message\": \"not true\"}' >&2; exit 1", "unknown", "not true"),
    ];
    let begin = |(script, class, _): &(&str, &str, &str)| {
        let workflow = if *class == "network_timeout" { "hurried" } else { "script" };
        world.start(workflow, &json!({"script": script}).to_string())
    };
    let runs: Vec<String> = cases.iter().map(begin).collect();
    for ((script, class, said), run) in cases.iter().zip(&runs) {
        let failed = failed(&world, run).await;
        assert_eq!(failed.class, *class, "{script}: {failed:?}");
        assert!(failed.message.contains(said), "{script}: {failed:?}");
        assert!(failed.took < Duration::from_secs(30), "{script}: {failed:?}");
        no_process_is_left(run).await;
    }
    assert!(worker.is_running());
    assert!(peak_mib(&worker) < 300, "{} MiB", peak_mib(&worker));
    assert!(folders(&world).is_empty(), "{:?}", folders(&world));
}

#[tokio::test]
async fn the_end_of_standard_error_is_kept_however_much_there_was() {
    let world = World::with(&[SCRIPT]).await;
    let worker = worker(&world, "w1", &[]);
    let run = start(&world, "head -c 1073741824 /dev/zero >&2; echo; echo the end >&2; exit 70");
    let failed = failed(&world, &run).await;
    assert_eq!(failed.detail["status"], json!(70));
    let kept = failed.detail["stderr"].as_str().unwrap();
    assert!(kept.ends_with("the end\n") && kept.chars().count() == 64 * 1024, "{} are kept", kept.chars().count());
    assert!(peak_mib(&worker) < 300, "{} MiB", peak_mib(&worker));
}

#[tokio::test]
async fn a_program_that_dies_by_a_signal_is_a_classified_failure() {
    let world = World::with(&[SCRIPT]).await;
    let _worker = worker(&world, "w1", &[]);
    let mut signals = vec![
        ("HUP", "resource_unavailable", "SIGHUP"),
        ("INT", "resource_unavailable", "SIGINT"),
        ("QUIT", "unknown", "SIGQUIT"),
        ("ILL", "unknown", "SIGILL"),
        ("TRAP", "unknown", "SIGTRAP"),
        ("ABRT", "unknown", "SIGABRT"),
        ("BUS", "unknown", "SIGBUS"),
        ("FPE", "unknown", "SIGFPE"),
        ("KILL", "out_of_memory", "SIGKILL"),
        ("USR1", "unknown", "signal 10"),
        ("SEGV", "unknown", "SIGSEGV"),
        ("USR2", "unknown", "signal 12"),
        ("PIPE", "unknown", "SIGPIPE"),
        ("ALRM", "network_timeout", "SIGALRM"),
        ("TERM", "resource_unavailable", "SIGTERM"),
        ("XCPU", "unknown", "SIGXCPU"),
        ("XFSZ", "unknown", "SIGXFSZ"),
        ("VTALRM", "unknown", "signal 26"),
        ("PROF", "unknown", "signal 27"),
        ("SYS", "unknown", "SIGSYS"),
        ("34", "unknown", "signal 34"),
    ];
    // Whoever started the tests may have had these ignored, as nohup does, and so they are in what the tests start.
    for (number, name) in [(1, "HUP"), (2, "INT"), (3, "QUIT")] {
        signals.retain(|(signal, ..)| *signal != name || !is_ignored(number));
    }
    let runs: Vec<String> =
        signals.iter().map(|(name, ..)| start(&world, &format!("kill -{name} $$; sleep 9"))).collect();
    for ((name, class, said), run) in signals.iter().zip(&runs) {
        let failed = failed(&world, run).await;
        assert_eq!(failed.class, *class, "{name}: {failed:?}");
        assert!(failed.message.contains(&format!("`sh` was killed by {said}")), "{name}: {failed:?}");
    }
}

#[tokio::test]
async fn a_program_that_does_not_read_its_input_is_not_held_up_by_it() {
    let world = World::with(&[SCRIPT]).await;
    let _worker = worker(&world, "w1", &[]);
    let filling = "x".repeat(900_000);
    let run = world.start("script", &json!({"script": "echo 1", "filling": filling}).to_string());
    assert_eq!(output(&world, &run).await, json!(1));
    let reads = json!({"script": "wc -c", "filling": filling}).to_string();
    let run = world.start("script", &reads);
    assert_eq!(output(&world, &run).await, json!(reads.len() + "{\"input\":}".len()));
}

#[tokio::test]
async fn a_program_knows_its_attempt_and_only_what_it_may_of_the_environment() {
    let told = r#"
        name = "told"
        [stages.list]
        command = ["sh", "-c", "echo '[\"a b\", {\"n\": 7}]'"]
        [stages.told]
        command = ["sh", "-c", "cat > in.json; env; printf '%s|' \"$@\"; echo", "{{input.lang}}", "{{item}}", "${SHARED}"]
        needs = ["list"]
        for_each = "list"
        pass_env = ["PASSED", "UNSET"]
        env = { LEVEL = "3", AUTHORIZATION = "Bearer ${SECRET}" }
        dir = "${FOLDER}"
        output = "text"
    "#;
    let world = World::with(&[told]).await;
    let folder = world.path("run-here");
    std::fs::create_dir(&folder).unwrap();
    let secret = "s3cret-of-the-worker";
    let variables = [
        ("PASSED", "passed-on"),
        ("SECRET", secret),
        ("HIDDEN", "never-seen"),
        ("SHARED", "shared"),
        ("FOLDER", folder.to_str().unwrap()),
    ];
    let _worker = worker(&world, "w1", &variables);
    let run = world.start("told", r#"{"lang": "en"}"#);
    let last = output(&world, &run).await;
    let lines: Vec<&str> = last.as_str().unwrap().lines().collect();
    for expected in [
        format!("PITON_RUN={run}"),
        "PITON_WORKFLOW=told".to_owned(),
        "PITON_STAGE=told".to_owned(),
        "PITON_ITEM=1".to_owned(),
        "PITON_ATTEMPT=1".to_owned(),
        "PITON_WORKER=w1".to_owned(),
        format!("PITON_IDEMPOTENCY_KEY={run}:told:1"),
        "PASSED=passed-on".to_owned(),
        "LEVEL=3".to_owned(),
        format!("AUTHORIZATION=Bearer {secret}"),
        r#"{"n":7}|shared|"#.to_owned(),
    ] {
        assert!(lines.contains(&expected.as_str()), "{expected} is not in {lines:#?}");
    }
    let foreign = ["HIDDEN", "SECRET=", "DATABASE_URL", "JOURNAL", "UNSET"];
    assert!(!lines.iter().any(|line| foreign.iter().any(|name| line.starts_with(name))), "{lines:#?}");
    assert!(folder.join("in.json").is_file());
    let definition: String = sqlx::query_scalar("select definition::text from piton.workflow_versions")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert!(definition.contains("Bearer ${SECRET}") && !definition.contains(secret));
}

#[tokio::test]
async fn a_secret_that_a_program_lets_slip_is_neither_stored_nor_logged() {
    let slips = r#"
        name = "slips"
        [stages.slips]
        command = ["sh", "-c", "echo using $KEY >&2; echo \"{\\\"class\\\": \\\"auth_failure\\\", \\\"message\\\": \\\"$KEY is refused\\\"}\" >&2; exit 1"]
        env = { KEY = "${SECRET}" }
    "#;
    let world = World::with(&[slips]).await;
    let secret = "s3cret-of-the-worker";
    let worker = worker(&world, "w1", &[("SECRET", secret)]);
    let run = world.start("slips", "{}");
    let failed = failed(&world, &run).await;
    assert_eq!((failed.class.as_str(), failed.message.as_str()), ("auth_failure", "${SECRET} is refused"));
    let stored = world
        .count("select count(*) from piton.attempts a, piton.runs r where (a::text || r::text) like '%s3cret-of%'")
        .await;
    assert_eq!(stored, 0);
    assert!(!worker.log().contains(secret), "{}", worker.log());
}

#[tokio::test]
async fn output_may_go_into_a_file_and_a_class_may_name_its_wait() {
    let chatter = r#"
        name = "chatter"
        [stages.chatter]
        command = ["sh", "-c", "echo working; if [ $PITON_ATTEMPT = 1 ]; then echo '{\"class\": \"rate_limited\", \"retry_after\": \"30m\", \"message\": \"slower\"}' >&2; exit 1; fi; echo '{\"ok\": true}' > $PITON_OUTPUT"]
    "#;
    let world = World::with(&[chatter]).await;
    let _worker = worker(&world, "w1", &[]);
    let run = world.start("chatter", "{}");
    let waits = async || world.count("select count(*) from piton.jobs where state = 'scheduled'").await == 1;
    until(SOON, "the retry waits", waits).await;
    let (class, message, detail, far): (String, String, Value, bool) =
        sqlx::query_as("select class, message, detail, retry_at > now() + interval '29 minutes' from piton.attempts")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!((class.as_str(), message.as_str(), far), ("rate_limited", "slower", true));
    assert_eq!(detail["status"], json!(1));
    sqlx::query("update piton.jobs set due_at = now()").execute(&world.pool).await.unwrap();
    assert_eq!(output(&world, &run).await, json!({"ok": true}));
}

#[tokio::test]
async fn memory_is_limited_where_a_file_says_so() {
    let greedy = |limit: &str| {
        format!(
            "name = \"greedy{}\"\n[stages.greedy]\ncommand = [\"sh\", \"-c\", \"head -c 300000000 /dev/zero | tail -c 1 | wc -c; \
             head -c 300000000 /dev/zero | tail -n 1 | wc -c\"]\noutput = \"text\"\nretry = {{ max_retries = 0 }}\n{limit}\n",
            if limit.is_empty() { "" } else { "-limited" }
        )
    };
    let world = World::with(&[&greedy(""), &greedy("memory = \"100MB\"")]).await;
    let _worker = worker(&world, "w1", &[]);
    let (free, limited) = (world.start("greedy", "{}"), world.start("greedy-limited", "{}"));
    assert_eq!(output(&world, &free).await, json!("1\n300000000"));
    assert_ne!(output(&world, &limited).await, json!("1\n300000000"), "tail could keep a line of 300 MB in 100 MB");
}

#[tokio::test]
async fn what_a_stage_lacks_is_told() {
    let missing = "name = \"missing\"\n[stages.missing]\ncommand = [\"no-such-program\"]\n";
    let unset = "name = \"unset\"\n[stages.unset]\ncommand = [\"echo\", \"${NO_SUCH_VARIABLE}\"]\n";
    let world = World::with(&[missing, unset]).await;
    let worker = worker(&world, "w1", &[]);
    worker.says("stages that lack something here: missing (program \"no-such-program\")").await;
    worker.says("stages that lack something here: unset (variable NO_SUCH_VARIABLE)").await;
    let folder = world.path("workflows");
    for (workflow, lack) in [("missing", "program \"no-such-program\""), ("unset", "variable NO_SUCH_VARIABLE")] {
        let arguments = ["run", workflow, "--workflows", folder.to_str().unwrap()];
        let output = world.command_of(Path::new(env!("CARGO_BIN_EXE_piton")), arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(&format!("{workflow} ({lack})")), "{said}");
    }
}

/// Says that it runs, and goes on for long, with a child that would get away.
const LONG: &str = r#"
name = "long"
[stages.long]
command = ["sh", "-c", "(setsid sleep 600 &); sleep 600"]
timeout = "20m"
retry = { max_retries = 0 }
"#;

/// Waits until the program and its child run.
async fn runs(run: &str) {
    let sleepers = || processes_of(run).iter().filter(|name| name.trim() == "sleep").count();
    until(SOON, "the program and its child run", async || sleepers() == 2).await;
}

#[tokio::test]
async fn a_killed_worker_leaves_no_process_of_its_commands() {
    let world = World::with(&[LONG]).await;
    let victim = worker(&world, "w1", &[]);
    let run = world.start("long", "{}");
    runs(&run).await;
    victim.kill();
    no_process_is_left(&run).await;
    until(SOON, "the attempt's folder is gone", async || folders(&world).is_empty()).await;
}

/// Folders of attempts.
fn folders(world: &World) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(world.folder.path()).unwrap().flatten();
    let folders = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("piton-"));
    folders.map(|entry| entry.path()).collect()
}

#[tokio::test]
async fn what_killed_workers_left_is_deleted_by_the_next_one_and_nothing_that_is_used() {
    let world = World::with(&[LONG]).await;
    let _worker = worker(&world, "w1", &[]);
    let run = world.start("long", "{}");
    runs(&run).await;
    let used = folders(&world).remove(0);
    let (abandoned, young) = (world.path("piton-command-abandoned"), world.path("piton-command-young"));
    for folder in [&abandoned, &young] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("lock"), "").unwrap();
        std::fs::write(folder.join("film.bin"), "large").unwrap();
    }
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(120);
    for folder in [&abandoned, &used] {
        std::fs::File::open(folder).unwrap().set_modified(long_ago).unwrap();
    }
    let _next = worker(&world, "w2", &[]);
    until(SOON, "it is deleted", async || !abandoned.exists()).await;
    assert!(used.exists() && young.exists());
}

#[tokio::test]
async fn a_worker_that_shuts_down_leaves_no_process_of_its_commands() {
    let world = World::with(&[LONG]).await;
    let mut worker = worker(&world, "w1", &[]);
    let run = world.start("long", "{}");
    runs(&run).await;
    worker.signal("TERM");
    worker.says("shutting down").await;
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
    no_process_is_left(&run).await;
    assert_eq!(world.count("select count(*) from piton.attempts where outcome = 'released'").await, 1);
}

#[tokio::test]
async fn a_run_that_is_given_up_stops_its_other_commands() {
    let world = World::with(&[&format!("{LONG}[stages.fails]\ncommand = [\"sh\", \"-c\", \"exit 65\"]\n")]).await;
    let _worker = worker(&world, "w1", &[]);
    let run = world.start("long", "{}");
    until(SOON, "it is blocked", async || world.state(&run).await == "blocked").await;
    runs(&run).await;
    stdout(
        &world.command(["dead-letter", "dismiss", &world.dead_letter().await, "--reason", "no use"]).output().unwrap(),
    );
    assert_eq!(world.state(&run).await, "failed");
    no_process_is_left(&run).await;
}

/// Processes below that one that are started to run commands: the first one forks a guard for each.
fn starters(of: u32) -> (u32, Vec<u32>) {
    let children = |process: u32| -> Vec<u32> {
        let list = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
        list.split_whitespace().filter_map(|child| child.parse().ok()).collect()
    };
    let threads = std::fs::read_dir(format!("/proc/{of}/task")).unwrap().flatten();
    let lists =
        threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok()).collect::<String>();
    let server = lists.split_whitespace().map(|child| child.parse().unwrap()).find(|child| {
        std::fs::read_to_string(format!("/proc/{child}/cmdline"))
            .is_ok_and(|line| line.contains("__command-fork-server"))
    });
    let server = server.expect("a fork server");
    (server, children(server))
}

fn kill(process: u32) {
    assert!(std::process::Command::new("kill").args(["-KILL", &process.to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn a_killed_guard_takes_its_program_along() {
    let world = World::with(&[LONG]).await;
    let worker = worker(&world, "w1", &[]);
    let run = world.start("long", "{}");
    runs(&run).await;
    let (_, guards) = starters(worker.id());
    assert_eq!(guards.len(), 1);
    kill(guards[0]);
    assert_eq!(world.ended(&run).await, "blocked");
    let message: String =
        sqlx::query_scalar("select message from piton.attempts").fetch_one(&world.pool).await.unwrap();
    assert_eq!(message, "the command could not be followed: broken pipe");
    // Its child got away from the program's group, and not from the process above the guard.
    no_process_is_left(&run).await;
    let next = world.start("long", "{}");
    runs(&next).await;
}

#[tokio::test]
async fn commands_outlive_the_process_that_starts_them_and_the_next_one_starts_others() {
    let world = World::with(&[LONG, SCRIPT]).await;
    let victim = worker(&world, "w1", &[]);
    let long = world.start("long", "{}");
    runs(&long).await;
    let (server, guards) = starters(victim.id());
    kill(server);
    let next = start(&world, "echo 7");
    assert_eq!(output(&world, &next).await, json!(7));
    assert_ne!(starters(victim.id()).0, server);
    assert!(guards.iter().all(|guard| Path::new(&format!("/proc/{guard}")).exists()), "its guard goes on");
    runs(&long).await;
    assert_eq!(world.count("select count(*) from piton.attempts").await, 0, "none has failed");
    // As ever, nothing outlives the worker.
    victim.kill();
    no_process_is_left(&long).await;
    until(SOON, "the attempt's folder is gone", async || folders(&world).is_empty()).await;
}

#[tokio::test]
async fn a_command_does_not_begin_after_its_attempt() {
    let world = World::with(&[SCRIPT, &hurried()]).await;
    let worker = worker(&world, "w1", &[]);
    let first = start(&world, "echo 1");
    assert_eq!(output(&world, &first).await, json!(1));
    let server = starters(worker.id()).0.to_string();
    let signal = |name: &str| {
        assert!(std::process::Command::new("kill").args([name, &server]).status().unwrap().success());
    };
    signal("-STOP");
    let began = world.path("began");
    let late = world.start("hurried", &json!({"script": format!("touch {}", began.display())}).to_string());
    let failed = failed(&world, &late).await;
    assert_eq!((failed.class.as_str(), failed.took < Duration::from_secs(20)), ("network_timeout", true), "{failed:?}");
    signal("-CONT");
    for _ in 0..3 {
        let next = start(&world, "echo 2");
        assert_eq!(output(&world, &next).await, json!(2));
    }
    assert!(!began.exists());
}

#[tokio::test]
async fn a_job_is_not_charged_for_the_end_of_the_process_that_starts_commands() {
    let world = World::with(&[SCRIPT]).await;
    let worker = worker(&world, "w1", &[]);
    let mut started = Vec::new();
    for round in 0..6 {
        started.extend((0..20).map(|_| start(&world, "echo 7")));
        let done = format!("select count(*) from piton.checkpoints having count(*) > {}", round * 20);
        until(SOON, "some have ended", async || {
            let some = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(done.clone()));
            some.fetch_optional(&world.pool).await.unwrap().is_some()
        })
        .await;
        kill(starters(worker.id()).0);
    }
    for run in started {
        assert_eq!(output(&world, &run).await, json!(7));
    }
    assert_eq!(world.count("select count(*) from piton.attempts where outcome <> 'released'").await, 0);
}
