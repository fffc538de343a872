//! Values of a test file, and what is wrong with them.

use toml::de::DeTable;

use crate::workflow::keys::Key;
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::suggestion::suggestion;
use crate::workflow::value::{self, Value, Word};

/// Reads a JSON file that a test file names; or says why it cannot.
pub(crate) type ReadJson<'r> = &'r dyn Fn(&str) -> Result<String, String>;

/// Reads values, and gathers what is wrong with them.
pub(super) struct Reader<'r> {
    pub(super) read_json: ReadJson<'r>,
    pub(super) found: Vec<Mistake>,
}

impl Reader<'_> {
    /// The JSON in the file of that name.
    pub(super) fn json_file(&mut self, value: &Value<'_>, key: Key) -> Option<String> {
        let name = value::text(value, key, false, &mut self.found)?;
        match (self.read_json)(&name.text) {
            Ok(json) => Some(json),
            Err(why) => {
                let title = format!("{} cannot be read: {why}", shown(&name.text));
                self.found.push(Mistake::new(
                    name.span,
                    title,
                    "",
                    "name a file with JSON, as seen from this file's folder",
                ));
                None
            }
        }
    }

    /// Tells of a table that has both keys.
    pub(super) fn either(&mut self, table: &DeTable<'_>, one: Key, other: Key) {
        if let (Some(_), Some(second)) = (table.get(one.name), table.get(other.name)) {
            let title = format!("`{}` and `{}` say the same", one.name, other.name);
            self.found.push(Mistake::new(second.span(), title, "", "keep one of the two"));
        }
    }

    pub(super) fn unknown(&mut self, key: &Word, place: &str, known: &[Key]) {
        let meant = suggestion(&key.text, known, self.found.len());
        value::unknown_key(key, place, known, meant, None, &mut self.found);
    }
}
