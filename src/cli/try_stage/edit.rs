//! The input, edited by a person before a stage is tried on it.

use std::io::{IsTerminal, stdin};
use std::path::Path;

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::cli::output::errln;
use crate::model::json::{self, Object};
use crate::model::payload::{Payload, PayloadLimits};

/// Opens the file with the input in an editor, and reads it back.
pub(super) async fn edit(file: &Path, input: &str, limits: &PayloadLimits) -> anyhow::Result<String> {
    tokio::fs::write(file, json::indented(input) + "\n").await?;
    loop {
        open(file).await?;
        let text = tokio::fs::read_to_string(file).await.with_context(|| format!("cannot read {}", file.display()))?;
        match read(&text, limits) {
            Ok(edited) => {
                if edited == json::compact(input) {
                    errln!("The input was not changed.");
                }
                tokio::fs::write(file, &edited).await?;
                return Ok(edited);
            }
            Err(why) if stdin().is_terminal() => {
                errln!("{}: {why}\nEnter opens it again; Ctrl-C ends.", file.display());
                if stdin().read_line(&mut String::new())? == 0 {
                    bail!("the input was not edited");
                }
            }
            Err(why) => bail!("{}: {why}", file.display()),
        }
    }
}

/// One object, on one line as a worker gives it.
fn read(text: &str, limits: &PayloadLimits) -> Result<String, String> {
    let payload = Payload::parse(text, limits.stage_input_bytes).map_err(|error| error.to_string())?;
    match Object::read(payload.as_str()) {
        Some(_) => Ok(json::compact(payload.as_str())),
        None => Err("the input of a stage is a JSON object".to_owned()),
    }
}

/// As other programs do: a shell reads the variable, which may have arguments in it.
async fn open(file: &Path) -> anyhow::Result<()> {
    let named = |name| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{editor} \"$1\"")).arg("editor").arg(file);
    let status = command.status().await.context("cannot start an editor")?;
    if !status.success() {
        bail!("the editor `{editor}` ended with {status}, and nothing was tried; name another one in EDITOR");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_input_is_an_object_and_its_values_stay_as_they_are_written() {
        let limits = PayloadLimits::default();
        let text = "{\n  \"input\": {\"n\": 1.10, \"far\": 1e999}\n}\n";
        assert_eq!(read(text, &limits).as_deref(), Ok(r#"{"input":{"n":1.10,"far":1e999}}"#));
        assert!(read("[1]", &limits).unwrap_err().contains("a JSON object"));
        assert!(read("{\"a\": }", &limits).is_err());
    }
}
