//! `piton man`: the manual pages, made from the same texts as `--help`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;

use super::args::{Arguments, Global, ManArgs};
use super::completions::program_name;
use super::exit::Exit;
use crate::cli::output::{Output, outln};

pub(crate) fn man(global: &Global, args: &ManArgs) -> anyhow::Result<Exit> {
    match &args.to {
        Some(folder) => {
            let pages = write_to(folder, program_name())?;
            if global.json {
                outln!("{}", serde_json::json!({"pages": pages}));
            } else {
                let first = pages.first().map_or(folder.display(), |page| page.display());
                outln!("Wrote {} pages. Read the first with:  man {first}", pages.len());
            }
        }
        None => {
            let page = page(program_name())?;
            if global.json {
                outln!("{}", serde_json::json!({"page": String::from_utf8_lossy(&page)}));
            } else {
                Output.write_all(&page)?;
            }
        }
    }
    Ok(Exit::Done)
}

fn command(name: String) -> clap::Command {
    Arguments::command().name(name.clone()).display_name(name)
}

fn page(name: String) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command(name)).render(&mut page)?;
    Ok(page)
}

/// A page for each command, the first of all before the others; it makes the folder.
fn write_to(folder: &Path, name: String) -> anyhow::Result<Vec<PathBuf>> {
    let at = || format!("cannot write the manual pages into {}", folder.display());
    std::fs::create_dir_all(folder).with_context(at)?;
    clap_mangen::generate_to(command(name.clone()), folder).with_context(at)?;
    let ours = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        file.starts_with(&name) && file.ends_with(".1")
    };
    let entries = std::fs::read_dir(folder).with_context(at)?;
    let mut pages: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(ours).collect();
    // `piton.1` before `piton-why.1`, which is before it by its bytes.
    pages.sort_by_key(|page| page.file_stem().map(std::ffi::OsStr::to_owned));
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_knows_the_commands_and_the_program_s_own_name() {
        let page = String::from_utf8(page("story".to_owned()).unwrap()).unwrap();
        assert!(page.contains("dead\\-letter") && page.contains(".TH story 1"), "{page}");
    }

    #[test]
    fn every_command_has_a_page_and_what_is_hidden_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let pages = write_to(&folder.path().join("man1"), "piton".to_owned()).unwrap();
        let names: Vec<_> = pages.iter().map(|page| page.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names.first(), Some(&"piton.1"));
        for name in ["piton-why.1", "piton-dead-letter.1", "piton-dead-letter-retry.1"] {
            assert!(names.contains(&name), "{names:?}");
        }
        assert!(!names.iter().any(|name| name.contains("bench-worker")), "{names:?}");
        assert!(pages.iter().all(|page| page.metadata().unwrap().len() > 0));
    }
}
