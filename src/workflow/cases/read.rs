//! A test file, key by key.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::reader::{ReadJson, Reader};
use super::{Case, DEFAULT_TIMEOUT, Expectation, TestFile, expect, keys, mock};
use crate::workflow::file::decoded;
use crate::workflow::json::json;
use crate::workflow::keys::Key;
use crate::workflow::limits::Limits;
use crate::workflow::mistake::{Mistake, Mistakes, shown};
use crate::workflow::syntax::Syntax;
use crate::workflow::template::is_variable;
use crate::workflow::value::{self, Value, Word};

impl TestFile {
    /// Reads a test file; `file` is what it is called in messages.
    pub(crate) fn parse(file: &str, bytes: &[u8], read_json: ReadJson<'_>) -> Result<TestFile, Mistakes> {
        let text = decoded(file, bytes, &Limits::default())?;
        let (tree, syntax) = Syntax::read(text);
        let mut reader = Reader { read_json, found: Vec::new() };
        let (workflow, cases) = reader.file(&tree);
        let mut found = reader.found;
        if syntax.damaged {
            found.retain(|mistake| !syntax.covers(&mistake.span));
        } else if cases.is_empty() && found.is_empty() && syntax.mistakes.is_empty() {
            let help = format!("write {}", keys::CASES.example);
            found.push(Mistake::new(0..0, "the file holds no case", "", help));
        }
        found.extend(syntax.mistakes);
        if !found.is_empty() {
            return Err(Mistakes::new(file, text, found));
        }
        Ok(TestFile { file: file.to_owned(), text: text.to_owned(), workflow, cases })
    }
}

impl Reader<'_> {
    fn file(&mut self, tree: &DeTable<'_>) -> (Option<Word>, Vec<Case>) {
        let (mut workflow, mut cases) = (None, Vec::new());
        for (key, value) in value::entries(tree) {
            match key.text.as_str() {
                "workflow" => workflow = value::text(value, keys::WORKFLOW, false, &mut self.found),
                "cases" => {
                    let Some(table) = value::table(value, keys::CASES, &mut self.found) else { continue };
                    cases = value::entries(table).filter_map(|(name, value)| self.case(name, value)).collect();
                }
                _ => self.unknown(&key, "a test file", keys::FILE),
            }
        }
        (workflow, cases)
    }

    fn case(&mut self, name: Word, value: &Value<'_>) -> Option<Case> {
        if name.text.trim().is_empty() || name.text.contains(char::is_control) {
            let title = format!("{} is no name for a case", shown(&name.text));
            self.found.push(Mistake::new(name.span, title, "", "write a name that can be seen, such as [cases.first]"));
            return None;
        }
        let one = Key { example: "[cases.first]", ..keys::CASES };
        let table = value::table(value, one, &mut self.found)?;
        let mut case = Case {
            name,
            input: "{}".to_owned(),
            env: BTreeMap::new(),
            timeout: DEFAULT_TIMEOUT,
            mocks: Vec::new(),
            expect: Expectation::default(),
        };
        self.either(table, keys::INPUT, keys::INPUT_FILE);
        for (key, value) in value::entries(table) {
            match key.text.as_str() {
                "input" => case.input = json(value, keys::INPUT, &mut self.found).unwrap_or_default(),
                "input_file" => case.input = self.json_file(value, keys::INPUT_FILE).unwrap_or_default(),
                "env" => case.env = self.env(value),
                "timeout" => {
                    case.timeout = value::duration(value, keys::TIMEOUT, &mut self.found).unwrap_or(DEFAULT_TIMEOUT);
                }
                "mocks" => case.mocks = mock::mocks(self, value),
                "expect" => case.expect = expect::expectation(self, value),
                _ => self.unknown(&key, "a case", keys::CASE),
            }
        }
        Some(case)
    }

    fn env(&mut self, value: &Value<'_>) -> BTreeMap<String, String> {
        let Some(table) = value::table(value, keys::ENV, &mut self.found) else { return BTreeMap::new() };
        let mut env = BTreeMap::new();
        for (name, value) in value::entries(table) {
            if !is_variable(&name.text) || name.text.starts_with("PITON_") || name.text == "DATABASE_URL" {
                let title = format!("{} is no variable that a case may set", shown(&name.text));
                let help =
                    "write a name of letters, digits and _ that does not begin with PITON_, and not DATABASE_URL";
                self.found.push(Mistake::new(name.span, title, "", help));
                continue;
            }
            match value.get_ref() {
                DeValue::String(text) if !text.contains('\0') => {
                    env.insert(name.text, text.clone().into_owned());
                }
                _ => _ = value::wrong_type::<()>(value, keys::ENV, &mut self.found),
            }
        }
        env
    }
}
