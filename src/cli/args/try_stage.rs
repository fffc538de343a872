//! The arguments of `piton try`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::worker::{ArtifactStoreArgs, bytes};
use crate::model::id::RunId;
use crate::model::quoted::quoted;

#[derive(Debug, Clone, Args)]
pub(crate) struct TryArgs {
    /// Id of the run.
    pub(crate) run: RunId,
    /// The stage; of a fanned-out one, an item of it, from 0: narrate, or narrate[3].
    #[arg(value_name = "STAGE[ITEM]")]
    pub(crate) stage: StageItem,
    /// Number of a recorded attempt, from 1 [default: the latest].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempt: Option<u32>,
    /// Edit the input first, with $VISUAL or $EDITOR.
    #[arg(long)]
    pub(crate) edit_input: bool,
    /// Open a shell in the folder and environment of the program, instead of running it: ./run runs it.
    #[arg(long)]
    pub(crate) shell: bool,
    /// Folder for the input, the files and what the program makes. It stays; it must be new or empty [default: a new one among the
    /// temporary files].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
    /// Maximum size of the output, as for the workers.
    #[arg(long, env = "PITON_PAYLOAD_LIMIT", default_value_t = 1 << 20, value_parser = clap::value_parser!(u32).range(1..=256 << 20))]
    pub(crate) payload_limit: u32,
    /// Maximum size of all inputs of the stage together, as for the workers.
    #[arg(long, env = "PITON_INPUT_LIMIT", default_value = "64MiB", value_parser = bytes)]
    pub(crate) input_limit: usize,
    #[command(flatten)]
    pub(crate) store: ArtifactStoreArgs,
}

/// A stage, or an item of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StageItem {
    pub(crate) stage: String,
    pub(crate) item: Option<u32>,
}

impl FromStr for StageItem {
    type Err = String;

    fn from_str(text: &str) -> Result<StageItem, String> {
        let (stage, item) = match text.split_once('[') {
            None => (text, None),
            Some((stage, rest)) => {
                let number = rest.strip_suffix(']').and_then(|number| number.parse().ok());
                let wrong = || {
                    let stage = quoted(stage);
                    format!(
                        "an item is a number in brackets, from 0: {stage}[3], in quotes if your shell reads brackets"
                    )
                };
                (stage, Some(number.ok_or_else(wrong)?))
            }
        };
        if stage.is_empty() {
            return Err("name a stage of the run, such as narrate, or an item of one, narrate[3]".to_owned());
        }
        Ok(StageItem { stage: stage.to_owned(), item })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_may_have_an_item() {
        let read = |text: &str| text.parse::<StageItem>().map(|read| (read.stage, read.item));
        assert_eq!(read("narrate"), Ok(("narrate".to_owned(), None)));
        assert_eq!(read("narrate[17]"), Ok(("narrate".to_owned(), Some(17))));
        for wrong in ["narrate[", "narrate[]", "narrate[x]", "narrate[-1]", "narrate[1]x", "narrate[1"] {
            assert!(read(wrong).unwrap_err().contains("narrate[3]"), "{wrong}");
        }
        assert!(read("").is_err() && read("[3]").is_err());
    }
}
