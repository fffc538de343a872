//! The pages hold together: links lead somewhere, tests that are named exist, and every page and command can be found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const HOME: &str = env!("CARGO_MANIFEST_DIR");

/// README's length is a promise to its reader.
const README_LINES: usize = 200;

/// Every page of the repository, with its text.
fn pages() -> BTreeMap<PathBuf, String> {
    fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && !matches!(name.as_str(), "target" | "node_modules") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.insert(path, text);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(Path::new(HOME), &mut found);
    assert!(found.len() > 15, "{:?}", found.keys());
    found
}

/// The page without its blocks of code, where `#` and brackets mean something else.
fn prose(text: &str) -> String {
    let mut in_code = false;
    let is_prose = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    };
    text.lines().filter(is_prose).collect::<Vec<_>>().join("\n")
}

/// What links of a page point to, with their texts.
fn links(text: &str) -> Vec<(String, String)> {
    let prose = prose(text);
    let link = |(at, _): (usize, &str)| {
        let target = prose[at + 2..].split_once(')')?.0;
        let text = prose[..at].rsplit_once('[')?.1;
        Some((text.to_owned(), target.to_owned()))
    };
    prose.match_indices("](").filter_map(link).collect()
}

/// The anchors that GitHub gives to a page's headings: small letters, digits, `-` and `_`, and a number where one comes again.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.trim_start_matches('#').starts_with(' ') && line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            let slug: String = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect();
            let times = seen.entry(slug.clone()).or_default();
            *times += 1;
            if *times == 1 { slug } else { format!("{slug}-{}", *times - 1) }
        })
        .collect()
}

/// Why a link leads nowhere, if it does.
fn broken(page: &Path, target: &str) -> Option<String> {
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { page.to_owned() } else { page.parent().unwrap().join(file) };
    let Ok(path) = path.canonicalize() else { return Some(format!("there is no {file}")) };
    if !path.starts_with(Path::new(HOME).canonicalize().unwrap()) {
        return Some("it leaves the repository".to_owned());
    }
    let anchor = anchor?;
    let Ok(text) = std::fs::read_to_string(&path) else { return Some(format!("{file} has no headings")) };
    (!anchors(&text).contains(anchor)).then(|| format!("there is no heading #{anchor}"))
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let mut wrong = Vec::new();
    let mut followed = 0;
    for (page, text) in pages() {
        for (_, target) in links(&text) {
            if target.contains("://") {
                continue;
            }
            followed += 1;
            wrong.extend(broken(&page, &target).map(|why| format!("{}: ({target}): {why}", page.display())));
        }
    }
    assert!(followed > 150, "{followed} links");
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = Path::new(HOME).join("docs/README.md");
    for (target, why) in [
        ("missing.md", Some("there is no missing.md")),
        ("promises.md#no-such-heading", Some("there is no heading #no-such-heading")),
        ("#write", None),
        ("../grafana", None),
        ("../../..", Some("it leaves the repository")),
        ("promises.md#nothing-is-lost", None),
    ] {
        assert_eq!(broken(&page, target).as_deref(), why, "{target}");
    }
    let text = "# One, `two`!\n```sh\n# no heading [x](y)\n```\n## One two\n[a](b) and [`c`](d#e)\n## One two\n";
    assert_eq!(anchors(text).into_iter().collect::<Vec<_>>(), ["one-two", "one-two-1", "one-two-2"]);
    let found = links(text);
    assert_eq!(found, [("a", "b"), ("`c`", "d#e")].map(|(text, target)| (text.to_owned(), target.to_owned())));
}

#[test]
fn every_page_of_the_documentation_is_in_its_table_of_contents() {
    let contents = std::fs::read_to_string(Path::new(HOME).join("docs/README.md")).unwrap();
    let linked: BTreeSet<String> = links(&contents).into_iter().map(|(_, target)| target).collect();
    let pages = pages();
    let docs = pages.keys().filter_map(|page| page.strip_prefix(Path::new(HOME).join("docs")).ok());
    let lacking: Vec<&Path> =
        docs.filter(|page| page.to_str() != Some("README.md") && !linked.contains(page.to_str().unwrap())).collect();
    assert!(lacking.is_empty(), "docs/README.md lacks {lacking:?}");
}

#[test]
fn readme_is_short_enough_to_be_read_to_its_end() {
    let lines = std::fs::read_to_string(Path::new(HOME).join("README.md")).unwrap().lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines: move what is not for everybody into docs/");
}

/// Pages name tests as [`module::name`](file); a name may end in `*`.
#[test]
fn every_test_that_a_page_names_is_there() {
    let mut named = 0;
    let mut missing = Vec::new();
    for (page, text) in pages() {
        for (name, target) in links(&text) {
            if !name.contains("::") || !target.contains("tests/promises/") {
                continue;
            }
            named += 1;
            let test = name.trim_matches('`').rsplit("::").next().unwrap().trim_end_matches('*').to_owned();
            let file = std::fs::read_to_string(page.parent().unwrap().join(&target)).unwrap_or_default();
            if !file.contains(&format!("fn {test}")) {
                missing.push(format!("{}: {name} in {target}", page.display()));
            }
        }
    }
    assert!(named > 80, "{named} tests");
    assert!(missing.is_empty(), "tests that are not there:\n{}", missing.join("\n"));
}

/// The commands of the program, as its help lists them.
fn commands() -> BTreeSet<String> {
    let help = Command::new(env!("CARGO_BIN_EXE_piton")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let rows = list.lines().take_while(|line| !line.is_empty());
    let names = rows.filter(|row| row.starts_with("  ") && !row.starts_with("   "));
    names.map(|row| row.trim().split(' ').next().unwrap().to_owned()).filter(|name| name != "help").collect()
}

#[test]
fn the_page_on_the_command_line_has_every_command_and_no_other() {
    let page = std::fs::read_to_string(Path::new(HOME).join("docs/command-line.md")).unwrap();
    let (_, table) = page.split_once("| command | does |\n|---|---|\n").unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map_while(|line| line.strip_prefix("| `")?.split_once(" | "))
        .map(|(first, _)| first.split('`').step_by(2).map(|name| name.split(' ').next().unwrap()).collect())
        .collect();
    let commands = commands();
    assert!(commands.len() > 25, "{commands:?}");
    let named: BTreeSet<&str> = rows.iter().flatten().copied().collect();
    let lacking: Vec<&String> = commands.iter().filter(|command| !named.contains(command.as_str())).collect();
    assert!(lacking.is_empty(), "docs/command-line.md lacks {lacking:?}");
    let first = rows.iter().map(|row| row[0]).filter(|name| !name.starts_with("--"));
    let strange: Vec<&str> = first.filter(|name| !commands.contains(*name)).collect();
    assert!(strange.is_empty(), "docs/command-line.md has commands that the program has not: {strange:?}");
}

/// `a/{b,c}.rs` is `a/b.rs` and `a/c.rs`.
fn alternatives(name: &str) -> Vec<String> {
    let Some((before, rest)) = name.split_once('{') else { return vec![name.to_owned()] };
    let (list, after) = rest.split_once('}').unwrap();
    list.split(',').map(|one| format!("{before}{one}{after}")).collect()
}

/// Files and folders of the repository, by their paths.
fn files() -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(HOME).unwrap().to_str().unwrap().to_owned());
            if path.is_dir() {
                walk(&path, found);
            }
        }
    }
    let mut found = Vec::new();
    for folder in ["src", "migrations", "tests", "grafana", "docs", "workflows"] {
        found.push(folder.to_owned());
        walk(&Path::new(HOME).join(folder), &mut found);
    }
    found
}

/// ARCHITECTURE.md names files by the end of their paths, with `*` for anything and `{a,b}` for several.
#[test]
fn every_file_that_architecture_names_is_there() {
    let text = std::fs::read_to_string(Path::new(HOME).join("ARCHITECTURE.md")).unwrap();
    let files = files();
    let is_there = |name: &str| {
        let parts: Vec<&str> = name.split('*').collect();
        files.iter().any(|file| {
            let ends = file == name || file.ends_with(&format!("/{name}"));
            let fits = parts.len() > 1 && file.ends_with(parts[parts.len() - 1]) && file.contains(parts[0]);
            ends || fits
        })
    };
    let names = text.split('`').skip(1).step_by(2).filter(|name| !name.contains(char::is_whitespace));
    let names: Vec<String> = names
        .filter(|name| [".rs", ".sql", ".yml", ".ts", "/"].iter().any(|end| name.ends_with(end)))
        .flat_map(alternatives)
        .map(|name| name.trim_end_matches('/').to_owned())
        .collect();
    assert!(names.len() > 200, "{names:?}");
    let missing: BTreeSet<&String> = names.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names files that are not there: {missing:#?}");
}
