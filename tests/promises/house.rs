//! The house rules that a reader relies on: imports point down, files are small, one home for SQL.

use std::path::{Path, PathBuf};

/// Layers from the top down; ARCHITECTURE.md draws them. A module may use its own layer's neighbours only where the
/// list says so by order: what stands later is below.
const LAYERS: &[&[&str]] = &[
    &["lib", "main"],
    &["cli", "api", "client"],
    &["app"],
    &["role"],
    &["bench", "chaos", "child", "worker", "config", "embedded", "telemetry"],
    &["decide", "view"],
    &["cleanup", "health", "recovery", "verify"],
    &["cgroup", "neighbour"],
    &["queue"],
    &["stage"],
    &["artifacts"],
    &["store"],
    &["workflow"],
    &["events"],
    &["meters"],
    &["system"],
    &["bounded"],
    &["model"],
];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
    assert!(found.len() > 30);
    found
}

fn module(path: &Path) -> String {
    let relative = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn layer(module: &str) -> usize {
    let found = LAYERS.iter().position(|modules| modules.contains(&module));
    found.unwrap_or_else(|| panic!("module `{module}` has no layer; give it one here and in ARCHITECTURE.md"))
}

#[test]
fn imports_point_down_only() {
    let mut upward = Vec::new();
    for (path, text) in sources() {
        let from = module(&path);
        if from == "lib" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let line = line.split("//").next().unwrap();
            for used in line.split("crate::").skip(1) {
                let target: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let known = LAYERS.iter().any(|modules| modules.contains(&target.as_str()));
                if known && layer(&target) < layer(&from) {
                    upward.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
                }
            }
        }
    }
    assert!(upward.is_empty(), "imports that point up:\n{}", upward.join("\n"));
}

#[test]
fn sql_has_one_home() {
    let at_home = |module: &str| matches!(module, "store" | "embedded");
    let strays: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|(path, text)| !at_home(&module(path)) && (text.contains("sqlx::query") || text.contains("query_as(")))
        .map(|(path, _)| path)
        .collect();
    assert!(strays.is_empty(), "{strays:?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<PathBuf> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

/// README's table of promises names tests as [`module::name`](file); a name may end in `*`.
#[test]
fn every_test_that_readme_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let named: Vec<(&str, &str)> = readme
        .split("[`")
        .skip(1)
        .filter_map(|rest| {
            rest.split_once("`](")?.1.split_once(')').map(|(file, _)| (rest.split('`').next().unwrap(), file))
        })
        .filter(|(_, file)| file.starts_with("tests/promises/"))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    let missing: Vec<&(&str, &str)> = named
        .iter()
        .filter(|(name, file)| {
            let Ok(text) = std::fs::read_to_string(root.join(file)) else { return true };
            let test = name.rsplit("::").next().unwrap().trim_end_matches('*');
            name.contains("::") && !text.contains(&format!("fn {test}")) && !name.ends_with("::*")
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
