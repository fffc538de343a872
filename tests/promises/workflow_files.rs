//! What people do with workflow files before and beside running them, with the plain `piton` program.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::harness::{Process, World, example, stdout};

/// In the world's folder, where workflow files are in `workflows`.
fn piton(world: &World, arguments: &[&str]) -> Output {
    world.command_of(Path::new(env!("CARGO_BIN_EXE_piton")), arguments).output().unwrap()
}

/// Everything that was said, and the exit code.
fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
    format!("{text}exit {}", output.status.code().unwrap()).replace(env!("CARGO_BIN_EXE_piton"), "piton")
}

#[tokio::test]
async fn a_new_file_runs_as_it_is() {
    let world = World::with(&[]).await;
    insta::assert_snapshot!(said(&piton(&world, &["workflows", "new", "folders"])), @r"
    Wrote workflows/folders.toml: three stages that run as they are, and their tests in workflows/folders.test.toml. Next:

      piton workflows check workflows/folders.toml
      piton workflows test workflows/folders.toml
      piton run folders

    Other kinds, with --kind: media, python, http, rust
    exit 0
    ");
    insta::assert_snapshot!(said(&piton(&world, &["workflows", "check", "workflows/folders.toml"])), @r#"
    workflows/folders.toml: workflow `folders`, 3 stages, no mistakes
    note: stage `report` gets the outputs of all items of `count` as one value, which fails above 64 MiB; inputs = "file" has no such limit
    exit 0
    "#);
    let told = stdout(&piton(&world, &["run", "folders"]));
    assert!(told.starts_with("report: \"") && told.contains(" entries in 3 folders, most of them in /"), "{told}");
    assert_eq!(world.count("select count(*) from piton.runs where state = 'done'").await, 1);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_new_file_takes_no_place_that_is_taken() {
    let world = World::with(&[]).await;
    stdout(&piton(&world, &["workflows", "new", "folders"]));
    std::fs::write(world.path("mine.toml"), "mine").unwrap();
    let cases: [&[&str]; 6] = [
        &["folders"],
        &["Folders"],
        &["other", "--to", "mine.toml"],
        &["other", "--to", "other.yaml"],
        &["other", "--to", "x.test.toml"],
        &["other", "--to", "more files/other.toml"],
    ];
    let all: Vec<String> =
        cases.iter().map(|case| said(&piton(&world, &[&["workflows", "new"], *case].concat()))).collect();
    insta::assert_snapshot!(all.join("\n"), @r"
    error: there is a workflow `folders` in workflows/folders.toml already; choose another name
    exit 1
    error: `Folders` is no name for a workflow: a name begins with a small letter (a to z), not with `F`; try `piton workflows new folders`
    exit 1
    error: mine.toml is there already, and stays as it is; choose another name, or another file with --to
    exit 1
    error: a workflow file ends in .toml: write --to other.toml
    exit 1
    error: tests of a workflow are in x.test.toml, and not the workflow: write --to x.toml
    exit 1
    Wrote more files/other.toml: three stages that run as they are, and their tests in more files/other.test.toml. Next:

      piton workflows check 'more files/other.toml'
      piton workflows test 'more files/other.toml'
      piton run other --workflows 'more files'

    Other kinds, with --kind: media, python, http, rust
    exit 0
    ");
    assert_eq!(std::fs::read_to_string(world.path("mine.toml")).unwrap(), "mine");
    stdout(&piton(&world, &["workflows", "check", "more files"]));
}

/// Runs in the world's folder, as its reader would type it.
fn typed(world: &World, program: &Path, arguments: &[&str]) -> Output {
    world.command_of(program, arguments).env("NO_PROXY", "*").output().unwrap()
}

#[tokio::test]
async fn a_new_file_of_every_kind_is_checked_tested_and_run_as_it_is() {
    let world = World::with(&[]).await;
    let piton_itself = Path::new(env!("CARGO_BIN_EXE_piton"));
    let handlers = example("new-rust");
    for (kind, program, expected) in [
        ("words", piton_itself, "entries in 3 folders"),
        ("media", piton_itself, "\"pictures\": 3"),
        ("python", piton_itself, "{\n  \"pages\": 2,\n  \"words\": 12\n}"),
        ("http", piton_itself, "best: 6"),
        ("rust", handlers.as_path(), "{\n  \"pages\": 2,\n  \"words\": 12\n}"),
    ] {
        let name = format!("a-{kind}");
        let file = format!("workflows/{name}.toml");
        let new = ["workflows", "new", &name, "--kind", kind];
        let told = stdout(&typed(&world, piton_itself, &new));
        assert!(told.starts_with(&format!("Wrote {file}: ")) && !told.contains("Other kinds"), "{told}");
        let again = said(&typed(&world, piton_itself, &new));
        assert!(again.contains("choose another name"), "{again}");
        let checked = stdout(&typed(&world, piton_itself, &["workflows", "check", &file]));
        assert!(checked.contains("no mistakes"), "{checked}");
        let tested = typed(&world, piton_itself, &["workflows", "test", &file]);
        assert!(tested.status.success(), "{kind}: {}", said(&tested));
        let _service = (kind == "http").then(|| {
            let mut service = Command::new("python3");
            service.arg(format!("workflows/{name}.py")).current_dir(world.folder.path());
            Process::spawn(service, world.path("service.log"))
        });
        let ran = typed(&world, program, &["run", &name]);
        assert!(said(&ran).contains(expected), "{kind}: {}", said(&ran));
        std::fs::remove_file(world.path(&file)).unwrap();
    }
    assert!(world.path("a-rust/Cargo.toml").is_file() && world.path("a-rust/src/main.rs").is_file());
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn no_file_beside_a_new_one_is_written_over_and_nothing_is_half_done() {
    let world = World::with(&[]).await;
    for (kind, taken) in [("python", "workflows/mine.py"), ("rust", "mine/src/main.rs"), ("rust", "mine/Cargo.toml")] {
        let path = world.path(taken);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "mine").unwrap();
        let refused = said(&piton(&world, &["workflows", "new", "mine", "--kind", kind]));
        assert!(refused.contains(&format!("{taken} is there already, and stays as it is")), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        assert!(!world.path("workflows/mine.toml").exists() && !world.path("workflows/mine.test.toml").exists());
        std::fs::remove_file(path).unwrap();
    }
    let wrong = said(&piton(&world, &["workflows", "new", "mine", "--kind", "perl"]));
    assert!(wrong.contains("words, media, python, http, rust"), "{wrong}");
}

/// With `script`, which gives it a terminal.
#[tokio::test]
async fn on_a_terminal_the_kind_is_asked_for() {
    let world = World::with(&[]).await;
    let line = format!("{} workflows new asked", env!("CARGO_BIN_EXE_piton"));
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(world.folder.path());
    let mut asked = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    asked.stdin.as_mut().unwrap().write_all(b"perl\npython\n").unwrap();
    let output = asked.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("  3  python  stages in Python, in one script"), "{told}");
    assert!(told.contains("There is no kind `perl`."), "{told}");
    assert!(told.contains("three stages in Python (workflows/asked.py)"), "{told}");
    assert!(world.path("workflows/asked.py").is_file());
}

/// One of each: right, unreadable, wrong, and a name that is taken.
fn four_files(world: &World) -> [&'static str; 4] {
    let stage = "[stages.a]\ncommand = [\"true\"]\n";
    std::fs::write(world.path("right.toml"), format!("name = \"right\"\n{stage}")).unwrap();
    std::fs::write(world.path("wrong.toml"), format!("name = \"wrong\"\n{stage}timout = \"5s\"\n")).unwrap();
    std::fs::write(world.path("again.toml"), format!("# again\nname = \"right\"\n{stage}")).unwrap();
    ["right.toml", "missing.toml", "wrong.toml", "again.toml"]
}

#[tokio::test]
async fn every_file_is_checked_whatever_the_others_are() {
    let world = World::with(&[]).await;
    let files = four_files(&world);
    let check = piton(&world, &[&["workflows", "check"], &files[..]].concat());
    insta::assert_snapshot!(said(&check), @r#"
    right.toml: workflow `right`, 1 stage, no mistakes
    error: the file cannot be read: No such file or directory (os error 2)
    --> missing.toml
     = help: name a file that is there and that you may read

    1 mistake in `missing.toml`

    error: there is no key `timout` in a stage
     --> wrong.toml:4:1
      |
    4 | timout = "5s"
      | ^^^^^^
      |
      = help: did you mean `timeout`?

    1 mistake in `wrong.toml`

    error: there are two workflows `right`
     --> again.toml:2:8
      |
    2 | name = "right"
      |        ^^^^^^^ the other one is in right.toml
      |
      = help: give one of them another name

    1 mistake in `again.toml`

    exit 1
    "#);
    insta::assert_snapshot!(said(&piton(&world, &["workflows", "check", "right.toml"])), @r"
    right.toml: workflow `right`, 1 stage, no mistakes
    exit 0
    ");
}

#[tokio::test]
async fn the_json_of_a_check_keeps_its_shape() {
    let world = World::with(&[]).await;
    let files = four_files(&world);
    let check = piton(&world, &[&["workflows", "check", "--json"], &files[..]].concat());
    assert_eq!((check.status.code(), check.stderr.as_slice()), (Some(1), &b""[..]));
    let reports: Value = serde_json::from_slice(&check.stdout).unwrap();
    insta::assert_snapshot!(format!("{reports:#}"), @r#"
    [
      {
        "file": "right.toml",
        "mistakes": [],
        "notes": [],
        "workflow": "right"
      },
      {
        "file": "missing.toml",
        "mistakes": [
          {
            "column": 1,
            "file": "missing.toml",
            "help": "name a file that is there and that you may read",
            "line": 1,
            "message": "the file cannot be read: No such file or directory (os error 2)"
          }
        ],
        "notes": [],
        "workflow": null
      },
      {
        "file": "wrong.toml",
        "mistakes": [
          {
            "column": 1,
            "file": "wrong.toml",
            "help": "did you mean `timeout`?",
            "line": 4,
            "message": "there is no key `timout` in a stage"
          }
        ],
        "notes": [],
        "workflow": null
      },
      {
        "file": "again.toml",
        "mistakes": [
          {
            "column": 8,
            "file": "again.toml",
            "help": "give one of them another name",
            "line": 2,
            "message": "there are two workflows `right`: the other one is in right.toml"
          }
        ],
        "notes": [],
        "workflow": null
      }
    ]
    "#);
}

#[tokio::test]
async fn what_this_machine_lacks_is_no_mistake_of_a_file() {
    let lacking = r#"
name = "lacking"
[stages.program]
command = ["no-such-program-anywhere"]
[stages.variable]
http = "${NO_SUCH_VARIABLE_ANYWHERE}/x"
[stages.handler]
rust = "no-such-handler"
"#;
    let world = World::with(&[lacking]).await;
    assert_eq!(piton(&world, &["workflows", "check"]).status.code(), Some(0));
    insta::assert_snapshot!(said(&piton(&world, &["workflows", "list"])), @r#"
    lacking                 3 stages
                          no version of it is deployed; the file is version 3d3bc3db14c3
                          lacking here: program (program "no-such-program-anywhere"), variable (variable NO_SUCH_VARIABLE_ANYWHERE), handler (handler "no-such-handler")
    exit 0
    "#);
}

#[tokio::test]
async fn a_workflow_is_drawn_and_shown() {
    let world = World::with(&[crate::workflows::SQUARES]).await;
    insta::assert_snapshot!(said(&piton(&world, &["workflows", "graph", "squares"])), @r"
    numbers  first
    square   after numbers  for each of numbers.numbers
    sum      after square
    exit 0
    ");
    insta::assert_snapshot!(said(&piton(&world, &["workflows", "graph", "squares", "--format", "mermaid"])), @r#"
    flowchart TD
      s0["numbers"]
      s1[["square<br>for each of numbers.numbers"]]
      s2["sum"]
      s0 ==> s1
      s1 --> s2
    exit 0
    "#);
    let dot = stdout(&piton(&world, &["workflows", "graph", "squares", "--format", "dot"]));
    assert!(dot.starts_with("digraph \"squares\" {"), "{dot}");
    insta::assert_snapshot!(said(&piton(&world, &["workflows", "show", "squares"])), @r"
    squares

    [numbers]
      rust             numbers

    [square]
      rust             square
      needs            numbers
      for_each         numbers.numbers

    [sum]
      rust             sum
      needs            square

    no version of it is deployed; the file is version 861262dbeb31
    exit 0
    ");
    let effective = stdout(&piton(&world, &["workflows", "show", "squares", "--effective", "--json"]));
    let effective: Value = serde_json::from_str(&effective).unwrap();
    assert_eq!(effective["stages"][1]["policy"]["classes"]["rate_limited"]["max_retries"]["from"], "default");
    insta::assert_snapshot!(said(&piton(&world, &["workflows", "show", "square"])), @r"
    error: there is no workflow `square`; did you mean `squares`? There are: squares
    exit 1
    ");
}

#[tokio::test]
async fn the_schema_that_is_printed_is_the_shipped_one() {
    let world = World::with(&[]).await;
    let shipped = include_str!("../../workflows/schema.json");
    assert_eq!(stdout(&piton(&world, &["workflows", "schema"])), shipped);
}

const PAGE: &str = include_str!("../../docs/workflows.md");

/// The first two cells of a row, without the words around the code of a status or a signal.
fn first_cells(line: &str) -> Option<(i32, &str)> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    let number = cells.next()?.split(' ').next()?.parse().ok()?;
    Some((number, cells.next()?.trim_end_matches(" |").trim_matches('`')))
}

#[test]
fn the_page_says_of_exit_codes_and_signals_what_the_program_does() {
    let source = include_str!("../../src/stage/command/verdict.rs");
    // Lines such as `64 => (C::InvalidInput, …`: first the exit codes, then the signals.
    let arm = |line: &str| {
        let (number, class) = line.trim().split_once(" => (C::")?;
        let class: String = class.split(',').next()?.chars().fold(String::new(), |word, c| {
            let gap = if c.is_uppercase() && !word.is_empty() { "_" } else { "" };
            word + gap + &c.to_lowercase().to_string()
        });
        Some((number.parse::<i32>().ok()?, class))
    };
    let arms: Vec<(i32, String)> = source.lines().filter_map(arm).collect();
    let (codes, signals) = arms.split_at(arms.iter().position(|(number, _)| *number == 1).unwrap());
    assert_eq!((codes.len(), signals.len()), (18, 5));
    let rows = |head: &str| -> Vec<(i32, &str)> {
        let table = PAGE.split_once(head).unwrap().1;
        table.lines().skip(1).take_while(|line| line.starts_with('|')).filter_map(first_cells).collect()
    };
    let all: Vec<(i32, &str)> = codes.iter().map(|(number, class)| (*number, class.as_str())).collect();
    assert_eq!(rows("| exit status | class | by `sysexits` |"), all);
    let named = signals.iter().filter(|(_, class)| class != "unknown").map(|(n, class)| (*n, class.as_str()));
    assert_eq!(rows("| signal, also as exit status 128 and its number | class |"), named.collect::<Vec<_>>());
}

#[test]
fn the_page_names_every_variable_that_a_program_gets() {
    let sources =
        concat!(include_str!("../../src/stage/command/environment.rs"), include_str!("../../src/workflow/own.rs"));
    let is_name = |text: &&str| text.len() > 1 && text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let names: Vec<&str> = sources.split('"').filter(is_name).collect();
    assert!(names.len() >= 18 && names.contains(&"PITON_OUTPUT"), "{names:?}");
    let lacking: Vec<&&str> = names.iter().filter(|name| !PAGE.contains(&format!("`{name}"))).collect();
    assert!(lacking.is_empty(), "docs/workflows.md does not name {lacking:?}");
}

/// A folder as Kubernetes mounts a ConfigMap: names that lead through `..data` into a folder that an update replaces.
fn mounted(world: &World) {
    let folder = world.path("workflows");
    let data = folder.join("..2026_11_28_08_00_00.123456789");
    std::fs::create_dir_all(&data).unwrap();
    let stage = "[stages.a]\ncommand = [\"echo\", \"1\"]\n";
    for name in ["one", "two"] {
        std::fs::write(data.join(format!("{name}.toml")), format!("name = \"{name}\"\n{stage}")).unwrap();
        std::os::unix::fs::symlink(format!("..data/{name}.toml"), folder.join(format!("{name}.toml"))).unwrap();
    }
    std::os::unix::fs::symlink(data.file_name().unwrap(), folder.join("..data")).unwrap();
}

#[tokio::test]
async fn a_folder_that_kubernetes_mounts_has_each_workflow_once() {
    let world = World::with(&[]).await;
    mounted(&world);
    insta::assert_snapshot!(said(&piton(&world, &["workflows", "check"])), @r"
    workflows/one.toml: workflow `one`, 1 stage, no mistakes
    workflows/two.toml: workflow `two`, 1 stage, no mistakes
    exit 0
    ");
    let same = ["workflows", "check", "workflows", "workflows/..data/one.toml", "workflows/../workflows/two.toml"];
    assert_eq!(said(&piton(&world, &same)).matches("no mistakes").count(), 2, "another name of a file is that file");
    let worker = world.worker("w1", &[]);
    stdout(&piton(&world, &["start", "two"]));
    crate::harness::until(crate::harness::SOON, "it is done", async || {
        world.count("select count(*) from piton.runs where state = 'done'").await == 1
    })
    .await;
    drop(worker);
}

#[tokio::test]
async fn what_editors_leave_is_no_workflow_and_a_link_that_leads_nowhere_is_told() {
    let world = World::with(&[]).await;
    let folder = world.path("workflows");
    std::fs::create_dir_all(&folder).unwrap();
    let text = "name = \"one\"\n[stages.a]\ncommand = [\"true\"]\n";
    std::fs::write(folder.join("one.toml"), text).unwrap();
    let leftovers = [
        ".one.toml.swp",
        ".#one.toml",
        "#one.toml#",
        "#one.toml",
        "one.toml~",
        "~one.toml",
        "one.toml.bak",
        "one.toml.orig",
        ".one.toml",
        "._one.toml",
        ".one.toml.kate-swp",
        "4913",
    ];
    for name in leftovers {
        std::fs::write(folder.join(name), text).unwrap();
    }
    std::fs::create_dir(folder.join(".git")).unwrap();
    std::fs::write(folder.join(".git/one.toml"), text).unwrap();
    insta::assert_snapshot!(said(&piton(&world, &["workflows", "check"])), @r"
    workflows/one.toml: workflow `one`, 1 stage, no mistakes
    exit 0
    ");
    std::os::unix::fs::symlink("nowhere.toml", folder.join("two.toml")).unwrap();
    insta::assert_snapshot!(said(&piton(&world, &["workflows", "check"])), @r"
    workflows/one.toml: workflow `one`, 1 stage, no mistakes
    error: the file cannot be read: No such file or directory (os error 2)
    --> workflows/two.toml
     = help: name a file that is there and that you may read

    1 mistake in `workflows/two.toml`

    exit 1
    ");
    // A copy is another file: it has the name of the first.
    std::fs::write(folder.join("copy.toml"), text).unwrap();
    assert!(said(&piton(&world, &["workflows", "check"])).contains("there are two workflows `one`"));
}
