//! The outputs of a fanned-out stage, as a handler reads them from a file.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::model::failure::Failure;

/// The outputs of all items of a needed stage, one after another: in an [`crate::Input`] the type of the field with that
/// stage's name, where this stage has `inputs = "file"` in its workflow file. However many there are, one is in memory at a time.
///
/// The file is there for as long as the attempt lasts.
///
/// ```no_run
/// use piton::{Failure, Input, Items};
///
/// #[derive(serde::Deserialize)]
/// struct Pages {
///     page: Items<u64>,
/// }
///
/// async fn sum(Input(Pages { page }): Input<Pages>) -> Result<u64, Failure> {
///     page.read()?.sum()
/// }
/// ```
pub struct Items<T> {
    path: PathBuf,
    item: PhantomData<fn() -> T>,
}

impl<T> Items<T> {
    /// Of a file with a line of JSON for each, as tests of handlers have one.
    pub fn at(path: impl Into<PathBuf>) -> Items<T> {
        Items { path: path.into(), item: PhantomData }
    }

    /// The file: a line of JSON for each item, in their order.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl<T: DeserializeOwned> Items<T> {
    /// Reads them from the first one on. An output that does not fit the type is an `invalid_input` failure that names the item.
    pub fn read(&self) -> Result<impl Iterator<Item = Result<T, Failure>> + use<T>, Failure> {
        let mut lines = BufReader::new(File::open(&self.path)?);
        let (mut line, mut item) = (String::new(), 0u64);
        Ok(std::iter::from_fn(move || {
            line.clear();
            match lines.read_line(&mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(Err(error.into())),
            }
            let read = serde_json::from_str(&line).map_err(|error| {
                Failure::invalid_input(format!("the output of item {item} does not fit the handler: {error}"))
            });
            item += 1;
            Some(read)
        }))
    }
}

impl<'de, T> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name<T>(PhantomData<fn() -> T>);
        impl<T> Visitor<'_> for Name<T> {
            type Value = Items<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a file: write inputs = \"file\" for the stage in its workflow file")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<Items<T>, E> {
                Ok(Items::at(path))
            }
        }
        deserializer.deserialize_str(Name(PhantomData))
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Items").field(&self.path).finish()
    }
}

impl<T> Clone for Items<T> {
    fn clone(&self) -> Items<T> {
        Items::at(self.path.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_one_after_another_and_a_bad_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.jsonl");
        std::fs::write(&path, "1\n22\n\"x\"\n4\n").unwrap();
        let items: Items<u64> = serde_json::from_value(path.to_str().into()).unwrap();
        let read: Vec<Result<u64, String>> =
            items.read().unwrap().map(|item| item.map_err(|e| e.to_string())).collect();
        assert_eq!((&read[0], &read[1], &read[3]), (&Ok(1), &Ok(22), &Ok(4)));
        assert!(
            read[2].as_ref().unwrap_err().starts_with("invalid_input: the output of item 2 does not fit the handler")
        );
        assert_eq!(items.read().unwrap().count(), 4, "it begins anew");
    }

    #[test]
    fn a_value_in_place_of_a_file_says_what_to_write() {
        let refused = serde_json::from_str::<Items<u64>>("[1, 2]").unwrap_err().to_string();
        assert!(refused.contains("inputs = \"file\""), "{refused}");
    }
}
