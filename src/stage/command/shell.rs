//! Everything that a program would be started with, for a person who starts it: where a stage is tried by hand, in a shell.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::environment::Filled;
use super::files;
use super::inputs::{self, Inputs};
use super::place::{OUTPUT, make_folders, no_folder};
use crate::model::failure::Failure;
use crate::stage::handler::Offer;
use crate::stage::variables;
use crate::workflow::definition::{CommandStage, StandardInput};
use crate::workflow::template::Template;

/// The script that runs the program as a worker would.
const SCRIPT: &str = "run";

/// What a shell is started with.
pub(crate) struct Prepared {
    /// The program's own, and the variables that its texts name.
    pub(crate) env: BTreeMap<OsString, OsString>,
    pub(crate) script: PathBuf,
}

/// Fetches the files of an attempt into a folder, and writes a script there that starts its program on the input, which is in that
/// file. The values of variables are in no file: the script takes them from its environment.
pub(crate) async fn prepare(
    stage: &CommandStage,
    offer: &Offer,
    folder: &Path,
    input: &Path,
) -> Result<Prepared, Failure> {
    make_folders(folder)
        .and_then(|()| inputs::make_ways_out(stage, &folder.join(files::FOLDER)))
        .map_err(|error| no_folder(&error))?;
    let inputs = Inputs::fetch(stage, offer, &folder.join(inputs::FOLDER)).await?;
    let output = folder.join(OUTPUT);
    let mut env = Filled::of(stage, offer, &output, folder, inputs.by_text())?.env;
    let texts = Filled::for_a_script(stage, offer, &output, folder, inputs.by_text())?;
    let named = stage.argv.iter().chain(&stage.dir).flat_map(Template::variables);
    env.extend(named.filter_map(|name| Some((name.into(), variables::value(name)?))));
    let script = folder.join(SCRIPT);
    let input = match stage.stdin {
        StandardInput::Input => quoted(&input.to_string_lossy()),
        StandardInput::Nothing => "/dev/null".to_owned(),
    };
    let here = std::env::current_dir()?;
    let dir = texts.dir.map_or_else(String::new, |dir| format!(" && cd {}", quoted(&dir.to_string_lossy())));
    let argv: Vec<String> = texts.argv.iter().map(|text| quoted(text)).collect();
    let text = format!(
        "#!/bin/sh\n# Runs the program as a worker would.\ncd {}{dir} && exec {} < {input}\n",
        quoted(&here.to_string_lossy()),
        argv.join(" ")
    );
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o700).open(&script)?;
    file.write_all(text.as_bytes())?;
    Ok(Prepared { env, script })
}

/// As a shell takes it for one word; names between NULs are those of variables.
fn quoted(text: &str) -> String {
    let mut word = String::new();
    for (at, piece) in text.split('\0').enumerate() {
        match at % 2 {
            0 if piece.is_empty() && text != piece => {}
            0 => word.push_str(&format!("'{}'", piece.replace('\'', r"'\''"))),
            _ => word.push_str(&format!("\"${{{piece}}}\"")),
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_word_of_a_shell_and_a_variable_stays_one() {
        assert_eq!(quoted("plain"), "'plain'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's $5"), r"'it'\''s $5'");
        assert_eq!(quoted("--key=\0KEY\0"), "'--key='\"${KEY}\"");
        assert_eq!(quoted("\0A\0:\0B\0"), "\"${A}\"':'\"${B}\"");
    }
}
