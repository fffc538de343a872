//! The file that a program reports its progress in: lines of JSON, of which the last one counts. The program may make anything of it, so
//! that it is opened only where it is a regular file, and no more of it is read than its end.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use tokio::time::sleep;

use crate::stage::blocking::blocking;
use crate::stage::context::StageContext;
use crate::stage::secrets::Secrets;
use crate::system::regular;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Bytes of the end of the file that are read; a longer line is none.
const LAST_BYTES: u64 = 16 * 1024;

pub(super) struct ProgressFile<'a> {
    path: PathBuf,
    context: &'a StageContext,
    secrets: &'a Secrets,
}

/// What is known of the file: where neither has changed, there is nothing new.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Line {
    done: u64,
    of: u64,
    #[serde(default)]
    note: String,
}

impl<'a> ProgressFile<'a> {
    pub(super) fn new(path: PathBuf, context: &'a StageContext, secrets: &'a Secrets) -> ProgressFile<'a> {
        ProgressFile { path, context, secrets }
    }

    /// What the work comes to. Meanwhile the file is looked at now and then; a program that ends soon never knows.
    pub(super) async fn follow_during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let (mut seen, mut has_warned) = (None, false);
        loop {
            tokio::select! {
                ended = &mut work => return ended,
                () = sleep(LOOK_EVERY) => {}
            }
            let (path, before) = (self.path.clone(), seen);
            let looked = tokio::select! {
                ended = &mut work => return ended,
                looked = blocking(move || look(&path, before)) => looked,
            };
            let said = match looked {
                Ok(Some((stamp, end))) => {
                    seen = Some(stamp);
                    last_line(&end)
                }
                Ok(None) => Ok(None),
                Err(error) => Err(error.to_string()),
            };
            match said {
                Ok(Some(Line { done, of, note })) => self.context.progress(done, of, self.secrets.hide(&note)),
                Ok(None) => {}
                Err(why) if !has_warned => {
                    has_warned = true;
                    tracing::warn!("what the command reports in $PITON_PROGRESS is ignored: {why}");
                }
                Err(_) => {}
            }
        }
    }
}

/// The end of the file, if it has changed; nothing where there is none yet. Blocks, but waits for nobody.
fn look(path: &Path, before: Option<Stamp>) -> io::Result<Option<(Stamp, Vec<u8>)>> {
    let mut file = match regular::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let about = file.metadata()?;
    let stamp = Stamp { bytes: about.len(), modified: about.modified().ok() };
    if before == Some(stamp) {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(stamp.bytes.saturating_sub(LAST_BYTES)))?;
    let mut end = Vec::new();
    file.take(LAST_BYTES).read_to_end(&mut end)?;
    Ok(Some((stamp, end)))
}

/// The last line that is whole. One without a line end counts if it is JSON; otherwise it is still being written.
fn last_line(end: &[u8]) -> Result<Option<Line>, String> {
    let mut lines = end.rsplit(|byte| *byte == b'\n');
    let unfinished = lines.next().unwrap_or_default();
    if let Ok(line) = serde_json::from_slice(unfinished) {
        return Ok(Some(line));
    }
    let is_first = |line: &[u8]| line.len() + unfinished.len() + 1 >= end.len();
    match lines.find(|line| !line.trim_ascii().is_empty()) {
        None if unfinished.len() as u64 >= LAST_BYTES => Err(format!("a line has more than {LAST_BYTES} bytes")),
        None => Ok(None),
        Some(line) if is_first(line) && end.len() as u64 >= LAST_BYTES => {
            Err(format!("a line has more than {LAST_BYTES} bytes"))
        }
        Some(line) => serde_json::from_slice(line)
            .map(Some)
            .map_err(|error| format!("a line is not {{\"done\": 3, \"of\": 10, \"note\": \"…\"}}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<Option<(u64, u64)>, String> {
        last_line(text.as_bytes()).map(|line| line.map(|line| (line.done, line.of)))
    }

    #[test]
    fn the_last_whole_line_counts() {
        assert_eq!(said(""), Ok(None));
        assert_eq!(said("{\"done\":1,\"of\":3}\n"), Ok(Some((1, 3))));
        assert_eq!(
            said("{\"done\":1,\"of\":3}\n{\"done\":2,\"of\":3,\"note\":\"b\",\"more\":1}\n\n"),
            Ok(Some((2, 3)))
        );
        assert_eq!(said("{\"done\":1,\"of\":3}\n{\"done\":2,\"o"), Ok(Some((1, 3))), "the rest is still being written");
        assert_eq!(said("{\"done\":2,\"of\":3}"), Ok(Some((2, 3))), "printf without a line end");
    }

    #[test]
    fn what_is_no_progress_is_an_error_and_never_a_panic() {
        for odd in [
            "[1]\n",
            "{\"done\":-1,\"of\":3}\n",
            "{\"done\":1e30,\"of\":3}\n",
            "{\"done\":1}\n",
            "\u{0}\n",
            "{\"done\":1,\"of\":3,\"note\":7}\n",
        ] {
            assert!(said(odd).is_err(), "{odd}");
        }
        assert!(last_line(&[0xff, b'\n']).is_err());
        assert!(said(&"[".repeat(10_000)).is_ok(), "it may go on");
        assert!(said(&"x".repeat(LAST_BYTES as usize)).unwrap_err().contains("more than"));
        assert!(said(&format!("{}\n", "x".repeat(LAST_BYTES as usize - 1))).unwrap_err().contains("more than"));
    }

    #[test]
    fn only_the_end_of_a_regular_file_is_read_and_only_if_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("progress");
        assert!(look(&path, None).unwrap().is_none());
        std::fs::write(&path, format!("{}\n{{\"done\":1,\"of\":2}}\n", "x".repeat(100_000))).unwrap();
        let (stamp, end) = look(&path, None).unwrap().unwrap();
        assert_eq!((end.len() as u64, last_line(&end).unwrap().map(|line| line.done)), (LAST_BYTES, Some(1)));
        assert!(look(&path, Some(stamp)).unwrap().is_none());
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert_eq!(look(&path, None).unwrap_err().to_string(), "it is a FIFO and no regular file");
    }
}
