//! The kinds of workflows that `piton workflows new` writes.

use std::io::{IsTerminal, stderr, stdin};
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::cli::args::NewKind;
use crate::cli::output::errln;
use crate::workflow::name::WorkflowName;

/// The files of a kind, as they are before they have a name.
struct Texts {
    workflow: &'static str,
    tests: &'static str,
    /// What is written beside them, by what it is.
    beside: &'static [(Beside, &'static str)],
    /// What it is, with the place of the program.
    about: &'static str,
    question: &'static str,
}

/// Where a further file is.
#[derive(Debug, Clone, Copy)]
enum Beside {
    /// Beside the workflow, under its name.
    Script,
    /// In a folder of the workflow's name.
    Program(&'static str),
}

macro_rules! starter {
    ($name:literal) => {
        include_str!(concat!("starters/", $name))
    };
}

const KINDS: [(NewKind, Texts); 5] = [
    (
        NewKind::Words,
        Texts {
            workflow: starter!("words.toml"),
            tests: starter!("words.test.toml"),
            beside: &[],
            about: "three stages that run as they are",
            question: "commands that pass text and JSON on, on any machine with a shell",
        },
    ),
    (
        NewKind::Media,
        Texts {
            workflow: starter!("media.toml"),
            tests: starter!("media.test.toml"),
            beside: &[],
            about: "three stages that make and read files",
            question: "programs that make and read files",
        },
    ),
    (
        NewKind::Python,
        Texts {
            workflow: starter!("python.toml"),
            tests: starter!("python.test.toml"),
            beside: &[(Beside::Script, starter!("python.py"))],
            about: "three stages in Python (SCRIPT)",
            question: "stages in Python, in one script",
        },
    ),
    (
        NewKind::Http,
        Texts {
            workflow: starter!("http.toml"),
            tests: starter!("http.test.toml"),
            beside: &[(Beside::Script, starter!("http.py"))],
            about: "requests to a small service (SCRIPT) and a command",
            question: "requests to a service",
        },
    ),
    (
        NewKind::Rust,
        Texts {
            workflow: starter!("rust.toml"),
            tests: starter!("rust.test.toml"),
            beside: &[
                (Beside::Program("src/main.rs"), starter!("rust.rs")),
                (Beside::Program("Cargo.toml"), starter!("rust.manifest.toml")),
            ],
            about: "three stages in Rust (SCRIPT)",
            question: "handlers in a Rust program",
        },
    ),
];

/// What a workflow begins with.
pub(super) struct Starter {
    /// Each file with its text, the workflow first and its tests second.
    pub(super) files: Vec<(PathBuf, String)>,
    pub(super) about: String,
}

/// Which kind a person wants; `None` where nobody can be asked.
pub(super) fn ask() -> anyhow::Result<Option<NewKind>> {
    if !(stdin().is_terminal() && stderr().is_terminal()) {
        return Ok(None);
    }
    errln!("What kind of workflow is it to be?");
    for (number, (kind, texts)) in KINDS.iter().enumerate() {
        errln!("  {}  {:<7} {}", number + 1, word(*kind), texts.question);
    }
    loop {
        errln!("Its number or its name [words]:");
        let mut line = String::new();
        if stdin().read_line(&mut line)? == 0 {
            bail!("nothing was chosen, and nothing was written; name a kind with --kind");
        }
        match chosen(line.trim()) {
            Some(kind) => return Ok(Some(kind)),
            None => errln!("There is no kind `{}`.", crate::model::quoted::quoted(line.trim())),
        }
    }
}

/// A number or a name; an empty line is the first one.
fn chosen(text: &str) -> Option<NewKind> {
    let is_meant = |(number, kind): (usize, NewKind)| text == word(kind) || text == (number + 1).to_string();
    if text.is_empty() {
        return Some(NewKind::Words);
    }
    KINDS.iter().map(|(kind, _)| *kind).enumerate().find(|meant| is_meant(*meant)).map(|(_, kind)| kind)
}

/// All of their names but the first.
pub(super) fn others() -> String {
    let names: Vec<&str> = KINDS.iter().skip(1).map(|(kind, _)| word(*kind)).collect();
    names.join(", ")
}

fn word(kind: NewKind) -> &'static str {
    match kind {
        NewKind::Words => "words",
        NewKind::Media => "media",
        NewKind::Python => "python",
        NewKind::Http => "http",
        NewKind::Rust => "rust",
    }
}

/// The files of a workflow of that name and kind, with their texts.
pub(super) fn starter(kind: NewKind, name: &WorkflowName, workflow: &Path, tests: &Path) -> Option<Starter> {
    let (_, texts) = KINDS.iter().find(|(known, _)| *known == kind)?;
    let at = |beside: &Beside| match beside {
        Beside::Script => workflow.with_extension("py"),
        Beside::Program(below) => Path::new(name.as_str()).join(below),
    };
    let script = texts.beside.first().map(|(beside, _)| at(beside)).unwrap_or_default();
    let script = script.display().to_string();
    let file = workflow.file_name().unwrap_or_default().to_string_lossy();
    let version = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
    let named = |text: &str| {
        text.replace("SCRIPT", &script)
            .replace("NAME.toml", &file)
            .replace("CALLED", &format!("cargo run --manifest-path {name}/Cargo.toml --"))
            .replace("\"VERSION\"", &format!("\"{version}\""))
            .replace("NAME\"", &format!("{name}\""))
            .replace("show NAME", &format!("show {name}"))
            .replace("workflow NAME", &format!("workflow {name}"))
    };
    let mut files = vec![(workflow.to_owned(), named(texts.workflow)), (tests.to_owned(), named(texts.tests))];
    files.extend(texts.beside.iter().map(|(beside, text)| (at(beside), named(text))));
    Some(Starter { files, about: named(texts.about) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::definition::Workflow;
    use crate::workflow::limits::Limits;

    #[test]
    fn the_files_of_every_kind_are_right_under_any_name() {
        for (kind, _) in &KINDS {
            for name in ["words", "name", "x-1_y"] {
                let name: WorkflowName = name.parse().expect("a name");
                let path = PathBuf::from(format!("workflows/{name}.toml"));
                let starter = starter(*kind, &name, &path, Path::new("workflows/x.test.toml")).expect("a kind");
                let workflow = Workflow::parse("new.toml", starter.files[0].1.as_bytes(), &Limits::default());
                assert_eq!(workflow.expect("a workflow").name, name, "{kind:?}");
                for (file, text) in &starter.files {
                    for left in ["NAME", "SCRIPT", "CALLED", "VERSION"] {
                        assert!(
                            !text
                                .replace("${NAME}", "")
                                .replace("{{out:NAME}}", "")
                                .replace("STAGE/NAME", "")
                                .contains(left),
                            "{}: {left}",
                            file.display()
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_kind_is_chosen_by_number_or_name() {
        assert_eq!(
            (chosen(""), chosen("1"), chosen("words")),
            (Some(NewKind::Words), Some(NewKind::Words), Some(NewKind::Words))
        );
        assert_eq!(
            (chosen("5"), chosen("rust"), chosen("http")),
            (Some(NewKind::Rust), Some(NewKind::Rust), Some(NewKind::Http))
        );
        assert_eq!((chosen("0"), chosen("6"), chosen("perl")), (None, None, None));
    }
}
