//! The house rules that a reader relies on: imports point down, no ring of them, files are small, one home for SQL.

mod imports;
mod tokens;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use self::imports::{Module, Uses, rings, uses};

/// Layers from the top down; ARCHITECTURE.md draws them. A module may use its own layer's neighbours only where the
/// list says so by order: what stands later is below.
const LAYERS: &[&[&str]] = &[
    &["lib", "main"],
    &["cli", "api", "callbacks", "client", "testing"],
    &["app"],
    &["role"],
    &["bench", "chaos", "child", "worker", "config", "embedded", "no_embedded", "telemetry"],
    &["decide", "view"],
    &["cleanup", "health", "recovery", "verify"],
    &["cgroup", "neighbour"],
    &["queue"],
    &["stage"],
    &["artifacts"],
    // Above the store, which returns facts: its callers log and count them, once they are committed.
    &["events"],
    &["meters"],
    &["definitions"],
    &["store"],
    &["workflow"],
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

/// The modules of the library, each with its text.
fn modules() -> Vec<(Module, String)> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let module = |(path, text): (PathBuf, String)| {
        let names = path.strip_prefix(root).unwrap().with_extension("");
        let mut module: Module = names.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
        module.pop_if(|last| matches!(last.as_str(), "lib" | "mod"));
        (module, text)
    };
    sources().into_iter().filter(|(path, _)| !path.ends_with("src/main.rs")).map(module).collect()
}

/// Which file of the library uses which; reading all of it takes a moment.
fn library() -> &'static Uses {
    static USES: OnceLock<Uses> = OnceLock::new();
    USES.get_or_init(|| uses(&modules()))
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
    // Those of several lines, and those that begin with `super`.
    for (from, used) in library() {
        for (to, path) in used {
            let top = |module: &Module| layer(module.first().map_or("lib", String::as_str));
            if !from.is_empty() && top(to) < top(from) {
                upward.push(format!("{}: {path}", from.join("::")));
            }
        }
    }
    assert!(upward.is_empty(), "imports that point up:\n{}", upward.join("\n"));
}

/// Whoever shows a run has no handlers, and needs none: what `view` uses, and what that uses, is below the engine and the stages.
#[test]
fn runs_are_shown_without_engine_and_handlers() {
    let uses = library();
    let top = |module: &Module| module.first().map_or("lib", String::as_str).to_owned();
    let mut next: Vec<&Module> = uses.keys().filter(|module| top(module) == "view").collect();
    let mut reached = BTreeSet::new();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(uses.get(module).into_iter().flatten().map(|(used, _)| used));
        }
    }
    let reached: BTreeSet<String> = reached.into_iter().map(top).collect();
    assert!(reached.contains("view") && reached.contains("definitions"), "{reached:?}");
    assert!(!reached.contains("queue") && !reached.contains("stage"), "{reached:?}");
    // These reach the engine through other things that they do, but need nothing of it themselves.
    let shows =
        |name: &str| name.starts_with("api") || ["cli::show", "cli::verify", "cli::follow", "verify"].contains(&name);
    for (from, used) in uses.iter().filter(|(from, _)| shows(&from.join("::"))) {
        let engine: Vec<&String> = used.iter().filter(|(to, _)| top(to) == "queue").map(|(_, path)| path).collect();
        assert!(engine.is_empty(), "{} uses {engine:?}", from.join("::"));
    }
}

/// What two files need of each other goes into a third one, of its own noun: a type into `error.rs` or `settings.rs`, shown again
/// by the file above them where others expect it there.
#[test]
fn no_files_import_each_other() {
    let uses = library();
    assert!(uses.len() > 300, "{} files that use others", uses.len());
    let rings: Vec<String> = rings(uses).iter().map(|ring| told(ring, uses)).collect();
    assert!(rings.is_empty(), "files that import each other in a ring:\n{}", rings.join("\n"));
}

/// Each use within a ring, with the path that makes it one.
fn told(ring: &BTreeSet<Module>, uses: &Uses) -> String {
    let within = |from: &Module| {
        let used = uses[from].iter().filter(|(to, _)| ring.contains(*to));
        used.map(|(to, path)| format!("  {} uses {} ({path})\n", from.join("::"), to.join("::"))).collect::<String>()
    };
    ring.iter().map(within).collect()
}

/// Files of a small crate.
fn crate_of(files: &[(&str, &str)]) -> Uses {
    let module = |path: &str| path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let files: Vec<(Module, String)> = files.iter().map(|(path, text)| (module(path), (*text).to_owned())).collect();
    uses(&files)
}

/// What `a` uses when it says this; `a::child`, `b` and `c` are there too.
fn used_by(text: &str) -> String {
    let uses = crate_of(&[
        ("", "mod a; mod b; mod c; pub use c::C;"),
        ("a", &format!("mod child; {text}")),
        ("a::child", "pub struct Shown; pub fn work() {}"),
        ("b", "pub struct B; pub fn work() {} pub use crate::c::C; pub use self::work::work as again; mod work;"),
        ("b::work", "pub fn work() {}"),
        ("c", "pub struct C;"),
    ]);
    let used = uses.get(&vec!["a".to_owned()]).into_iter().flatten().map(|(to, _)| to.join("::"));
    used.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_way_to_use_another_file_is_seen() {
    let cases = [
        ("use crate::b::B;", "b"),
        ("use super::b::B;", "b"),
        ("use crate::{b::{self, B}, c::C};", "b c"),
        ("use crate::{\n    b::B as Other,\n    c::C,\n};", "b c"),
        ("use crate::b::*;", "b"),
        ("use self::child::Shown;", "a::child"),
        ("use child::Shown;", "a::child"),
        ("fn f() { child::work() }", "a::child"),
        ("fn f() { crate::b::work() }", "b"),
        ("fn f() { super::b::work() }", "b"),
        ("impl super::b::B {}", "b"),
        ("fn f(_: Vec<crate::b::B>) {}", "b"),
        ("mod inner { use super::super::b::B; }", "b"),
        ("fn f() { use crate::b::B; }", "b"),
        ("use crate::b; fn f() { b::work() }", "b"),
        ("fn f() { assert!(matches!(x, crate::b::B)) }", "b"),
        ("fn f() { tokio::select! { () = super::b::work() => {} } }", "b"),
        ("macro_rules! m { () => { $crate::b::work() }; }", "b"),
        ("#[serde(with = \"crate::b\", default = \"super::b::work\")] struct S;", "b"),
    ];
    for (text, used) in cases {
        assert_eq!(used_by(text), used, "{text}");
    }
}

#[test]
fn what_is_shown_again_is_a_use_of_the_file_that_defines_it() {
    let cases = [
        ("use crate::b::C;", "c"),
        ("use crate::C;", "c"),
        ("use crate::b::again;", "b::work"),
        // The function that stands in `b` has the name of its child.
        ("use crate::b::work;", "b"),
        ("pub(crate) use self::child::Shown;", ""),
        ("pub(crate) use self::child::Shown; fn f(_: Shown) {}", "a::child"),
        ("pub(crate) use crate::b::B;", "b"),
    ];
    for (text, used) in cases {
        assert_eq!(used_by(text), used, "{text}");
    }
    // What a module imports for itself is no others' to import: a child that does so relies on the module.
    let uses = crate_of(&[
        ("", "mod a; mod c;"),
        ("a", "mod child; use crate::c::C; fn f(_: C) {}"),
        ("a::child", "use super::C;"),
        ("c", "pub struct C;"),
    ]);
    assert_eq!(uses[&vec!["a".to_owned(), "child".to_owned()]].keys().next().unwrap().join("::"), "a");
}

#[test]
fn what_is_no_use_is_not_taken_for_one() {
    for text in [
        "",
        "use crate::b;",
        "use std::fmt; fn f(_: serde_json::Value) {}",
        "// crate::b::B\nconst TEXT: &str = \"crate::b::B\";",
        "/// [`super::b::B`]\nstruct S;",
        "pub(in crate::b) struct S;",
        "#[cfg(test)] mod tests { use crate::b::B; }",
        "#[cfg(test)] use crate::b::B;",
        "struct S; impl S { #[cfg(test)] fn f() { crate::b::work() } }",
    ] {
        assert_eq!(used_by(text), "", "{text}");
    }
}

#[test]
fn a_ring_is_found_whether_it_is_of_neighbours_or_of_a_file_and_its_child() {
    let root = ("", "mod a; mod b; mod c;");
    let ring = |files: &[(&str, &str)]| {
        let ring = rings(&crate_of(files)).into_iter().flatten().map(|module| module.join("::"));
        ring.collect::<Vec<_>>().join(" ")
    };
    let (a, b) = (("a", "use super::b::B; pub struct A;"), ("b", "pub struct B; fn f() { crate::c::work() }"));
    assert_eq!(ring(&[root, a, b, ("c", "use crate::{a::{A}};")]), "a b c");
    assert_eq!(ring(&[root, a, b, ("c", "pub fn work() {}")]), "");
    let child = ("a::child", "use super::Above; pub struct Below;");
    assert_eq!(ring(&[root, ("a", "mod child; use child::Below; pub struct Above;"), child]), "a a::child");
    assert_eq!(ring(&[root, ("a", "mod child; pub use child::Below; pub struct Above;"), child]), "");
}

#[test]
fn sql_has_one_home() {
    let at_home = |module: &str| matches!(module, "store" | "embedded");
    let strays: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|(path, text)| {
            let is_code = |line: &&str| !line.trim_start().starts_with("///");
            let mut code = text.lines().filter(is_code);
            !at_home(&module(path)) && code.any(|line| line.contains("sqlx::query") || line.contains("query_as("))
        })
        .map(|(path, _)| path)
        .collect();
    assert!(strays.is_empty(), "{strays:?}");
}

/// A handler's panic is caught where its task ends, and is a failure from there on.
#[test]
fn no_panic_is_thrown_twice() {
    let again: Vec<PathBuf> =
        sources().into_iter().filter(|(_, text)| text.contains("resume_unwind")).map(|(path, _)| path).collect();
    assert!(again.is_empty(), "{again:?}");
}

/// A task has its slot before apalis gets it.
#[test]
fn no_slot_is_counted_twice() {
    let counted: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|(path, text)| module(path) == "worker" && text.contains(".concurrency("))
        .map(|(path, _)| path)
        .collect();
    assert!(counted.is_empty(), "{counted:?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<PathBuf> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "{silent:?}");
}
