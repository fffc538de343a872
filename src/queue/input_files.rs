//! Inputs as files: the outputs of needed stages, written piece by piece, however many there are.

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::evidence::{count_of, miscounted, missing, verified};
use super::version::Version;
use crate::model::claim::Claim;
use crate::model::failure::Failure;
use crate::model::id::{NO_ITEM, RunKey};
use crate::stage::command::Folder;
use crate::stage::input::StageInput;
use crate::stage::steps::wait;
use crate::store::Store;
use crate::store::backoff::Backoff;
use crate::store::checkpoints::Stored;

/// Bytes and items that are in memory at once, unless a single one has more.
const PIECE_BYTES: u64 = 4 << 20;
const PIECE_ITEMS: usize = 5_000;

/// The input of an attempt with the names of its files, which are gone with it.
pub(super) struct InputFiles {
    input: StageInput,
    _folder: Folder,
}

impl InputFiles {
    /// Writes them, verified like every input (promise 8); waits for a database that is away.
    pub(super) async fn write(
        store: &Store,
        claim: &Claim,
        version: &Version,
        mut input: StageInput,
    ) -> Result<InputFiles, Failure> {
        let folder = Folder::make()?;
        write_into(folder.path(), store, claim, version, &mut input).await?;
        Ok(InputFiles { input, _folder: folder })
    }

    pub(super) fn input(&self) -> &StageInput {
        &self.input
    }
}

/// Writes the files of an input into a folder, and puts their names into it.
pub(super) async fn write_into(
    folder: &Path,
    store: &Store,
    claim: &Claim,
    version: &Version,
    input: &mut StageInput,
) -> Result<(), Failure> {
    for (name, stage) in input.take_files() {
        let is_fanned = version.stage(stage).is_some_and(|stage| stage.for_each.is_some());
        let path = folder.join(format!("{name}.{}", if is_fanned { "jsonl" } else { "json" }));
        let source = Source { store, run: claim.key.run, stage, version };
        if is_fanned {
            source.lines(&path).await?
        } else {
            source.whole(&path).await?
        }
        let Some(path) = path.to_str() else {
            return Err(Failure::resource_unavailable("the worker's folder for temporary files has no name in UTF-8"));
        };
        input.push(name, Arc::from(serde_json::to_string(path)?));
    }
    Ok(())
}

/// Nobody else's on this machine, whatever the worker's umask.
async fn made(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path).await
}

/// A stage whose output becomes a file.
struct Source<'s> {
    store: &'s Store,
    run: RunKey,
    stage: i16,
    version: &'s Version,
}

impl Source<'_> {
    /// The output as it is.
    async fn whole(&self, path: &Path) -> Result<(), Failure> {
        let found = self.read((NO_ITEM, NO_ITEM)).await?;
        let stored = found.first().ok_or_else(|| missing(&self.name(), NO_ITEM))?;
        let text = verified(stored, self.version)?;
        let mut file = made(path).await?;
        file.write_all(text.as_bytes()).await?;
        file.flush().await?;
        Ok(())
    }

    /// A line for each item.
    async fn lines(&self, path: &Path) -> Result<(), Failure> {
        let mut sizes = self.sizes().await?.into_iter();
        if sizes.next().is_none_or(|(item, _)| item != NO_ITEM) {
            return Err(missing(&self.name(), NO_ITEM));
        }
        let sizes: Vec<(i32, u64)> = sizes.collect();
        let record = self.read((NO_ITEM, NO_ITEM)).await?;
        let record = record.first().ok_or_else(|| missing(&self.name(), NO_ITEM))?;
        let count = count_of(&self.name(), verified(record, self.version)?)?;
        if sizes.len() != count as usize {
            return Err(miscounted(&self.name(), &sizes.iter().map(|(item, _)| *item).collect::<Vec<_>>(), count));
        }
        let mut file = made(path).await?;
        for piece in pieces(&sizes) {
            let mut text = String::new();
            for stored in self.read(piece).await? {
                text.push_str(&in_one_line(verified(&stored, self.version)?));
                text.push('\n');
            }
            file.write_all(text.as_bytes()).await?;
        }
        file.flush().await?;
        Ok(())
    }

    async fn sizes(&self) -> Result<Vec<(i32, u64)>, Failure> {
        let mut backoff = Backoff::default();
        loop {
            match self.store.output_sizes(self.run, self.stage).await {
                Ok(sizes) => return Ok(sizes),
                Err(error) => wait(&mut backoff, error, "an input").await?,
            }
        }
    }

    async fn read(&self, items: (i32, i32)) -> Result<Vec<Stored>, Failure> {
        let mut backoff = Backoff::default();
        loop {
            match self.store.outputs_between(self.run, self.stage, items).await {
                Ok(outputs) => return Ok(outputs),
                Err(error) => wait(&mut backoff, error, "an input").await?,
            }
        }
    }

    fn name(&self) -> Arc<str> {
        self.version.stage_name(self.stage)
    }
}

/// First and last item of what is read at once. Pure.
fn pieces(sizes: &[(i32, u64)]) -> Vec<(i32, i32)> {
    let mut pieces = Vec::new();
    let mut rest = sizes;
    while let Some((first, _)) = rest.first() {
        let mut bytes = 0;
        let fits = |(at, (_, more)): &(usize, &(i32, u64))| {
            bytes += *more;
            *at == 0 || (bytes <= PIECE_BYTES && *at < PIECE_ITEMS)
        };
        let fit = rest.iter().enumerate().take_while(fits).count();
        let (piece, after) = rest.split_at(fit);
        pieces.push((*first, piece.last().map_or(*first, |(last, _)| *last)));
        rest = after;
    }
    pieces
}

/// The same JSON: between its parts a line end is as good as a space, and within a string there is none.
fn in_one_line(json: &str) -> Cow<'_, str> {
    if json.contains(['\n', '\r']) { json.replace(['\n', '\r'], " ").into() } else { json.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_piece_is_bounded_in_bytes_and_in_items() {
        let many: Vec<(i32, u64)> = (0..12_000).map(|item| (item, 10)).collect();
        assert_eq!(pieces(&many), [(0, 4999), (5000, 9999), (10_000, 11_999)]);
        let large: Vec<(i32, u64)> = (0..10).map(|item| (item, 1 << 20)).collect();
        assert_eq!(pieces(&large), [(0, 3), (4, 7), (8, 9)]);
        assert_eq!(pieces(&[(0, 64 << 20), (1, 64 << 20)]), [(0, 0), (1, 1)]);
        assert_eq!(pieces(&[]), []);
    }

    proptest! {
        #[test]
        fn a_line_is_the_same_json(values in prop::collection::vec(any::<String>(), 0..5)) {
            let value = serde_json::json!({"a": values});
            let line = in_one_line(&serde_json::to_string_pretty(&value).unwrap()).into_owned();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
        }

        #[test]
        fn every_item_is_in_one_piece(sizes in prop::collection::vec(0u64..(6 << 20), 0..60)) {
            let sizes: Vec<(i32, u64)> = (0..).zip(sizes).collect();
            let read: Vec<i32> = pieces(&sizes).into_iter().flat_map(|(first, last)| first..=last).collect();
            prop_assert_eq!(read, sizes.iter().map(|(item, _)| *item).collect::<Vec<_>>());
        }
    }
}
