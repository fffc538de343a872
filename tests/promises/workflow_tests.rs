//! `piton workflows test`: cases are real runs, what differs is told, and nothing is left behind.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::harness::{SOON, example};

const HOME: &str = env!("CARGO_MANIFEST_DIR");

/// `piton workflows test` in a folder, without a database that is named; its temporary files are in `temporary`.
fn test(program: &Path, folder: &Path, temporary: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(["workflows", "test"]).args(arguments);
    command.env("TMPDIR", temporary).env("RUST_BACKTRACE", "0").env_remove("DATABASE_URL").current_dir(folder);
    command
}

fn piton() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_piton"))
}

/// A folder of this user's alone. Where that is root, the server's user may pass through, but make and delete nothing in it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("pt-").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

fn said(output: &Output) -> String {
    let [out, error] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    format!("{out}{error}exit {}", output.status.code().unwrap_or(-1))
}

/// Waits until nothing is in the folder: the server deletes its data when it has stopped.
fn assert_is_left_empty(folder: &Path) {
    let begun = Instant::now();
    let left = || std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    while !left().is_empty() {
        // Thousands of files, on a disk that is busy.
        assert!(begun.elapsed() < SOON, "left behind: {:?}", left());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

const PAGES: &str = r#"
name = "pages"
[input]
pages = { type = "array" }
[stages.page]
command = ["sh", "-c", 'echo "\"page $1\""', "page", "{{item}}"]
for_each = "input.pages"
[stages.bind]
http = "${BINDERY}/{{input.pages.0}}"
needs = ["page"]
"#;

#[test]
fn every_shipped_workflow_passes_its_tests() {
    let temporary = folder();
    let ran = test(piton(), Path::new(HOME), temporary.path(), &["--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{}", said(&ran)));
    assert_eq!(
        (ran.status.code(), &report["failed"], &report["broken"]),
        (Some(0), &0.into(), &0.into()),
        "{report:#}"
    );
    for folder in ["story", "shop", "texts", "ideas"] {
        for file in std::fs::read_dir(Path::new(HOME).join("workflows").join(folder)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if let Some(workflow) = name.strip_suffix(".toml").filter(|name| !name.ends_with(".test")) {
                let has_cases = report["cases"].as_array().unwrap().iter().any(|case| case["workflow"] == workflow);
                assert!(has_cases, "{name} has no tests");
            }
        }
    }
    assert_is_left_empty(temporary.path());
}

#[test]
fn the_tests_that_a_new_workflow_comes_with_pass() {
    let [folder, temporary] = [folder(), folder()];
    let new = ["workflows", "new", "folders", "--to", "mine.toml"];
    assert!(Command::new(piton()).args(new).current_dir(folder.path()).output().unwrap().status.success());
    let ran = test(piton(), folder.path(), temporary.path(), &["mine.toml"]).output().unwrap();
    assert!(said(&ran).contains("2 cases: 2 passed, 0 failed"), "{}", said(&ran));
    assert_is_left_empty(temporary.path());
}

#[test]
fn what_differs_is_told_to_people_and_to_ci_systems() {
    let [folder, temporary] = [folder(), folder()];
    std::fs::write(folder.path().join("pages.toml"), PAGES).unwrap();
    let cases = r#"
        [cases.right]
        input = { pages = ["a", "b"] }
        mocks.bind = { output = { book = 1 } }
        expect.stages.page.output = ["page a", "page b"]
        expect.stages.bind.texts.http = "${BINDERY}/a"
        [cases.wrong]
        input = { pages = ["a", "b"] }
        mocks.bind.attempts = [{ fail = "rate_limited", retry_after = "2h" }, { output = { book = 1, at = [1, 2] } }]
        expect.output = { book = 2, at = [1, 3], title = "x" }
        expect.stages.page.items = [{ output = "page a", attempts = 2 }, { fail = "unknown" }]
        expect.stages.bind.input.page = ["page a", "page c"]
        [cases.lost]
        input = { pages = ["a"] }
        mocks.bind = { fail = "auth_failure", message = "no card <here>" }
        [cases.unlike]
        input = { pages = ["a"] }
        mocks.bind = { fail = "auth_failure", message = "no card" }
        expect.stages.bind = { fail = "invalid_input", message = "no paper", attempts = 1 }
        [cases.refused]
        input = { sheets = 1 }
        mocks.bind = { output = 1 }
        [cases."not mocked"]
        input = { pages = [] }
    "#;
    std::fs::write(folder.path().join("pages.test.toml"), cases).unwrap();
    let arguments = ["pages.toml", "--junit", "report.xml", "--jobs", "2"];
    let mut command = test(piton(), folder.path(), temporary.path(), &arguments);
    let begun = Instant::now();
    let ran = command.env_remove("BINDERY").output().unwrap();
    assert!(begun.elapsed() < SOON, "nobody waits two hours");
    let told = said(&ran);
    let untimed: Vec<&str> = told.lines().map(|line| line.split("  (").next().unwrap()).collect();
    insta::assert_snapshot!(untimed.join("\n"));
    let xml = std::fs::read_to_string(folder.path().join("report.xml")).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (6, 4, 1));
    let suite = &report.test_suites[0];
    let lost = suite.test_cases.iter().find(|case| case.name.as_str() == "lost").unwrap();
    let quick_junit::TestCaseStatus::NonSuccess { message, .. } = &lost.status else { panic!("{lost:?}") };
    assert!(message.as_ref().unwrap().as_str().contains("auth_failure: no card <here>"), "{message:?}");
    assert_eq!(suite.test_cases[0].classname.as_ref().unwrap().as_str(), "pages");
    assert_is_left_empty(temporary.path());
}

#[test]
fn a_file_with_mistakes_runs_nothing() {
    let [folder, temporary] = [folder(), folder()];
    std::fs::write(folder.path().join("pages.toml"), PAGES).unwrap();
    let tests = folder.path().join("pages.test.toml");
    std::fs::write(&tests, "[cases.a]\nmocks.bnd = { output = 1 }\nexpect.stages.page.attempts = 1\n").unwrap();
    let ran = |arguments: &[&str]| said(&test(piton(), folder.path(), temporary.path(), arguments).output().unwrap());
    insta::assert_snapshot!(ran(&["pages.test.toml"]), @r"
    error: test files have mistakes, and nothing was run

    error: workflow `pages` has no stage `bnd`
     --> pages.test.toml:2:7
      |
    2 | mocks.bnd = { output = 1 }
      |       ^^^
      |
      = help: did you mean `bind`?

    error: stage `page` has items, and each has its own `attempts`
     --> pages.test.toml:3:15
      |
    3 | expect.stages.page.attempts = 1
      |               ^^^^
      |
      = help: write it in `items`: items = [{ attempts = … }]

    2 mistakes in `pages.test.toml`
    exit 2
    ");
    std::fs::write(&tests, "[cases.a]\nmocks.bind = { output = 1 }\n").unwrap();
    std::fs::write(folder.path().join("alone.toml"), PAGES).unwrap();
    insta::assert_snapshot!(ran(&["alone.toml"]), @r"
    error: alone.toml has no tests: write some into alone.test.toml
    exit 2
    ");
    // A test file is no workflow, for nobody who reads the folder.
    let mut check = Command::new(piton());
    check.args(["workflows", "check", "pages.test.toml"]).current_dir(folder.path());
    assert!(said(&check.output().unwrap()).contains("check and run them with `workflows test`"));
    assert_is_left_empty(temporary.path());
}

#[test]
fn a_stage_that_ends_its_process_or_takes_too_long_fails_its_own_case() {
    let [folder, temporary] = [folder(), folder()];
    let file = "name = 'deadly'\n[stages.first]\nrust = 'misbehave'\n[stages.sleep]\ncommand = ['sleep', '600']";
    std::fs::write(folder.path().join("deadly.toml"), file).unwrap();
    let cases = "[cases.deadly]\ninput = { how = 'abort', times = 9 }\nmocks.sleep = { output = 1 }
        [cases.slow]\nmocks.first = { output = 1 }\ntimeout = '1s'
        [cases.well]\nmocks = { first = { output = 1 }, sleep = { output = 2 } }\nexpect.output = { first = 1, sleep = 2 }";
    std::fs::write(folder.path().join("deadly.test.toml"), cases).unwrap();
    let mut command = test(&example("test-worker"), folder.path(), temporary.path(), &["deadly.toml", "--json"]);
    let ran = command.env("JOURNAL", folder.path().join("journal")).output().unwrap();
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{}", said(&ran)));
    let why = |case: usize| report["cases"][case]["why"][0].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (ran.status.code(), &report["broken"], &report["passed"]),
        (Some(1), &2.into(), &1.into()),
        "{report:#}"
    );
    assert!(why(0).starts_with("its process ended without a result (signal: 6"), "{}", why(0));
    assert!(why(1).starts_with("it takes longer than 1 s; stage `sleep`: running"), "{}", why(1));
    assert_is_left_empty(temporary.path());
}

/// A case that ends, and two that go on for long: the third begins once the first one has made room for it.
const LONG: &str = r#"
name = "long"
[stages.sleep]
command = ["sh", "-c", 'echo $$ > "$1"; sleep 600', "sleep", "{{input.note}}"]
"#;

/// Runs until the third case has begun, in whose program that process is; then the signal is sent.
fn stopped(signal: rustix::process::Signal, arguments: &[&str]) -> (Output, tempfile::TempDir) {
    let [folder, temporary] = [folder(), folder()];
    std::fs::write(folder.path().join("long.toml"), LONG).unwrap();
    let (first, third) = (folder.path().join("first"), folder.path().join("third"));
    let cases = format!(
        "[cases.first]\ninput = {{ note = '{}' }}\ntimeout = '10m'
        [cases.quick]\ninput = {{ note = 'x' }}\nmocks.sleep = {{ output = 1 }}
        [cases.third]\ninput = {{ note = '{}' }}\ntimeout = '10m'",
        first.display(),
        third.display()
    );
    std::fs::write(folder.path().join("long.test.toml"), cases).unwrap();
    let mut command = test(piton(), folder.path(), temporary.path(), &["long.toml", "--jobs", "2"]);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = command.spawn().unwrap();
    let begun = Instant::now();
    let wait = || {
        assert!(begun.elapsed() < SOON);
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    let programs = [first, third].map(|note| {
        loop {
            match std::fs::read_to_string(&note).ok().and_then(|text| text.trim().parse::<i32>().ok()) {
                Some(program) => break rustix::process::Pid::from_raw(program).unwrap(),
                None => wait(),
            }
        }
    });
    let id = rustix::process::Pid::from_raw(running.id().cast_signed()).unwrap();
    rustix::process::kill_process(id, signal).unwrap();
    let output = running.wait_with_output().unwrap();
    for program in programs {
        while rustix::process::test_kill_process(program).is_ok() {
            wait();
        }
    }
    assert_is_left_empty(temporary.path());
    (output, folder)
}

#[test]
fn ctrl_c_leaves_nothing_behind_and_what_has_ended_is_reported() {
    let (output, folder) = stopped(rustix::process::Signal::INT, &["--junit", "report.xml"]);
    let told = said(&output);
    let untimed: Vec<&str> = told.lines().map(|line| line.split("  (").next().unwrap()).collect();
    insta::assert_snapshot!(untimed.join("\n"), @r"
    STOPPED long/first
    ok      long/quick
    STOPPED long/third

    3 cases: 1 passed, 0 failed, 2 did not end
    Stopped before every case had ended.
    exit 4
    ");
    let xml = std::fs::read_to_string(folder.path().join("report.xml")).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    let is_skipped = |case: &quick_junit::TestCase| matches!(case.status, quick_junit::TestCaseStatus::Skipped { .. });
    let skipped: Vec<bool> = report.test_suites[0].test_cases.iter().map(is_skipped).collect();
    assert_eq!((skipped, report.tests, report.failures, report.errors), (vec![true, false, true], 3, 0, 0));
}

#[test]
fn sigterm_ends_it_alike_and_programs_read_what_has_ended() {
    let (output, _) = stopped(rustix::process::Signal::TERM, &["--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    let verdicts: Vec<&str> =
        report["cases"].as_array().unwrap().iter().map(|case| case["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["stopped", "passed", "stopped"], "{report:#}");
    assert_eq!((output.status.code(), &report["stopped"], &report["passed"]), (Some(4), &2.into(), &1.into()));
}

#[test]
fn killed_at_any_moment_of_its_start_it_leaves_nothing_behind() {
    let [folder, temporary] = [folder(), folder()];
    std::fs::write(folder.path().join("pages.toml"), PAGES).unwrap();
    std::fs::write(folder.path().join("pages.test.toml"), "[cases.a]\nmocks.bind = { output = 1 }\n").unwrap();
    // What is there when it is killed: its folder, data that is being made, data that is whole.
    for there in ["", "data.new.", "data"] {
        let mut command = test(piton(), folder.path(), temporary.path(), &["pages.toml"]);
        let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        let is_there = || {
            let entries = |path: &Path| -> Vec<_> {
                std::fs::read_dir(path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
            };
            let found = entries(temporary.path());
            there.is_empty() && !found.is_empty()
                || found.iter().flat_map(|root| entries(root)).flat_map(|cluster| entries(&cluster)).any(|path| {
                    let name = path.file_name().unwrap().to_string_lossy();
                    if there == "data" { name == there } else { !there.is_empty() && name.starts_with(there) }
                })
        };
        while !is_there() {
            assert!(begun.elapsed() < SOON && running.try_wait().unwrap().is_none(), "{there} never was there");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        running.kill().unwrap();
        running.wait().unwrap();
        assert_is_left_empty(temporary.path());
    }
}

#[test]
fn names_that_lead_to_no_test_are_refused_with_those_that_do() {
    let [folder, temporary] = [folder(), folder()];
    std::fs::create_dir(folder.path().join("workflows")).unwrap();
    for name in ["pages", "sheets"] {
        let place = folder.path().join("workflows").join(name);
        std::fs::write(place.with_extension("toml"), PAGES.replace("\"pages\"", &format!("\"{name}\""))).unwrap();
        std::fs::write(place.with_extension("test.toml"), "[cases.a]\nmocks.bind = { output = 1 }\n").unwrap();
    }
    let ran = |arguments: &[&str]| said(&test(piton(), folder.path(), temporary.path(), arguments).output().unwrap());
    insta::assert_snapshot!(ran(&["pages"]), @r"
    error: there is no `pages`; did you mean `workflows/pages.test.toml`? There are: workflows/pages.test.toml, workflows/sheets.test.toml
    exit 2
    ");
    insta::assert_snapshot!(ran(&["workflows/shets.test.toml"]), @r"
    error: there is no `workflows/shets.test.toml`; did you mean `workflows/sheets.test.toml`? There are: workflows/pages.test.toml, workflows/sheets.test.toml
    exit 2
    ");
    insta::assert_snapshot!(ran(&["workflows/sheets.test.toml", "books"]), @r"
    error: there is no `books`. There are: workflows/pages.test.toml, workflows/sheets.test.toml
    exit 2
    ");
    insta::assert_snapshot!(ran(&["--filter", "pages/b"]), @r"
    error: no case has a name that contains `pages/b`. There are: pages/a, sheets/a
    exit 2
    ");
    insta::assert_snapshot!(ran(&["--workflows", "none", "x"]), @r"
    error: there is no `x`; name test files (NAME.test.toml), workflow files that have one beside them, or folders
    exit 2
    ");
    assert_is_left_empty(temporary.path());
}

#[test]
fn a_place_or_a_server_that_tests_cannot_use_is_named_once_with_its_cure() {
    let [folder, temporary] = [folder(), folder()];
    std::fs::write(folder.path().join("pages.toml"), PAGES).unwrap();
    std::fs::write(folder.path().join("pages.test.toml"), "[cases.a]\nmocks.bind = { output = 1 }\n").unwrap();
    let ran = |variable: &str, value: &str| {
        let mut command = test(piton(), folder.path(), temporary.path(), &["pages.toml"]);
        said(&command.env(variable, value).output().unwrap())
    };
    insta::assert_snapshot!(ran("TMPDIR", "/no/such/folder"), @r"
    error: the temporary folder /no/such/folder cannot be used: No such file or directory (os error 2); set TMPDIR to a folder that exists and that you may write to
    exit 1
    ");
    assert!(!Path::new("/no").exists());
    let long = temporary.path().join("x".repeat(80));
    std::fs::create_dir(&long).unwrap();
    let told = ran("TMPDIR", long.to_str().unwrap());
    assert!(
        told.starts_with(&format!(
            "error: no Postgres for tests: the temporary folder {} cannot be used: the path of a socket",
            long.display()
        )),
        "{told}"
    );
    assert!(told.ends_with("set TMPDIR to a folder with a shorter path\nexit 1"), "{told}");
    assert_is_left_empty(&long);
    std::fs::remove_dir(&long).unwrap();
    let url = "PITON_TEST_DATABASE_URL";
    insta::assert_snapshot!(ran(url, "nonsense"), @r"
    error: no Postgres for tests: PITON_TEST_DATABASE_URL is no Postgres address; it looks like postgres://user:password@host:5432/name
    PITON_TEST_DATABASE_URL names a server in which tests may make databases; without it, tests start one of their own
    exit 1
    ");
    insta::assert_snapshot!(ran(url, "mysql://x/y"), @r"
    error: no Postgres for tests: PITON_TEST_DATABASE_URL does not begin with postgres:// or postgresql://, and Piton runs on Postgres only; it looks like postgres://user:password@host:5432/name
    PITON_TEST_DATABASE_URL names a server in which tests may make databases; without it, tests start one of their own
    exit 1
    ");
    insta::assert_snapshot!(ran(url, "postgres://anna:secret@127.0.0.1:1/x"), @r"
    error: no Postgres for tests: cannot connect to 127.0.0.1:1: connection refused; see how it is:  pg_isready -d 'postgresql://anna@127.0.0.1:1/x'
    PITON_TEST_DATABASE_URL names a server in which tests may make databases; without it, tests start one of their own
    exit 1
    ");
    assert_is_left_empty(temporary.path());
}

/// What is checked before a case runs is what is there when it has run.
#[test]
fn every_text_that_a_stage_has_can_be_expected() {
    let [folder, temporary] = [folder(), folder()];
    let file = r#"
        name = "texts"
        [stages.program]
        command = ["count", "{{input.a}}"]
        env = { A = "{{input.a}}" }
        dir = "/srv/{{input.a}}"
        [stages.request]
        http = "${SERVICE}/{{input.a}}"
        headers = { X-A = "{{input.a}}" }
        files = { page = "input.a" }
        dir = "/srv"
    "#;
    std::fs::write(folder.path().join("texts.toml"), file).unwrap();
    let cases = r#"
        [cases.all]
        input = { a = "b" }
        mocks = { program = { output = 1 }, request = { output = 2 } }
        [cases.all.expect.stages]
        program.texts = { command = ["count", "b"], env = { A = "b" }, dir = "/srv/b" }
        request.texts = { http = "${SERVICE}/b", method = "POST", headers = { X-A = "b" }, files = { page = "b" }, dir = "/srv" }
    "#;
    std::fs::write(folder.path().join("texts.test.toml"), cases).unwrap();
    let ran = test(piton(), folder.path(), temporary.path(), &["texts.toml"]).output().unwrap();
    assert!(said(&ran).contains("1 case: 1 passed, 0 failed"), "{}", said(&ran));
}

#[test]
fn the_schema_of_test_files_that_is_printed_is_the_shipped_one() {
    let printed = Command::new(piton()).args(["workflows", "schema", "--tests"]).output().unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), include_str!("../../workflows/test-schema.json"));
}
