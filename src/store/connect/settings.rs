//! Connection settings and where they come from: the string first, then the service it names, then the environment.

use std::collections::BTreeMap;

use super::conninfo::Pairs;
use super::error::AddressError;
use super::keywords::{self, KEYWORDS, Rule};
use super::service;
use super::uri;

/// Every keyword that has a value.
#[derive(Debug)]
pub(super) struct SessionSettings {
    values: BTreeMap<&'static str, Value>,
}

#[derive(Debug)]
struct Value {
    text: String,
    /// How an error names it.
    from: String,
}

impl SessionSettings {
    pub(super) fn gather(
        url: &str,
        variable: impl Fn(&str) -> Option<String> + Copy,
    ) -> Result<SessionSettings, AddressError> {
        let mut settings = SessionSettings { values: BTreeMap::new() };
        settings.add(uri::pairs(url)?, "DATABASE_URL")?;
        let service = settings.text("service").map(str::to_owned).or_else(|| variable("PGSERVICE"));
        if let Some(service) = service.filter(|service| !service.is_empty()) {
            settings.add(service::pairs(&service, variable)?, &format!("service {service}"))?;
        }
        for keyword in KEYWORDS {
            let Some(name) = keyword.variable else { continue };
            if let Some(value) = variable(name).filter(|value| !value.is_empty()) {
                settings.set(keyword.name, value, name.to_owned(), &keyword.rule)?;
            }
        }
        Ok(settings)
    }

    /// What was said before stays.
    fn add(&mut self, pairs: Pairs, from: &str) -> Result<(), AddressError> {
        let mut here = BTreeMap::<&'static str, String>::new();
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            let Some(keyword) = keywords::find(&name) else { return Err(unknown(&name, from)) };
            match here.get_mut(keyword.name) {
                // The only one that adds up.
                Some(options) if keyword.name == "options" => {
                    options.push(' ');
                    options.push_str(&value);
                }
                // As with libpq, the last one counts: the path's database gives way to the parameter's.
                _ => drop(here.insert(keyword.name, value)),
            }
        }
        for (name, value) in here {
            let Some(keyword) = keywords::find(name) else { continue };
            self.set(name, value, format!("{name} of {from}"), &keyword.rule)?;
        }
        Ok(())
    }

    fn set(&mut self, name: &'static str, text: String, from: String, rule: &Rule) -> Result<(), AddressError> {
        if self.values.contains_key(name) {
            return Ok(());
        }
        if let Rule::Only(values, cure) = rule
            && !values.contains(&text.as_str())
        {
            return Err(AddressError::new(format!("{from} asks for what Piton does not do: {cure}")));
        }
        self.values.insert(name, Value { text, from });
        Ok(())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.text.as_str())
    }

    /// Elements of a list with commas between them.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        self.text(name).map(|text| text.split(',').map(str::trim).collect()).unwrap_or_default()
    }

    /// An error about the value of that keyword, which is not in it.
    pub(super) fn wrong(&self, name: &str, cure: &str) -> AddressError {
        let from = self.values.get(name).map_or(name, |value| value.from.as_str());
        AddressError::new(format!("{from} is not understood: {cure}"))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, AddressError> {
        let wrong = |_| self.wrong(name, "write a whole number");
        self.text(name).map(str::parse).transpose().map_err(wrong)
    }

    /// 0 or 1.
    pub(super) fn switch(&self, name: &str, default: bool) -> Result<bool, AddressError> {
        match self.text(name) {
            None => Ok(default),
            Some("0") => Ok(false),
            Some("1") => Ok(true),
            Some(_) => Err(self.wrong(name, "write 0 or 1")),
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, AddressError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Err(self.wrong(name, &format!("write one of {}", words.join(", "))))
            }
        }
    }
}

fn unknown(name: &str, from: &str) -> AddressError {
    let meant = keywords::like(name).map_or_else(|| "leave it out".to_owned(), |like| format!("did you mean {like}?"));
    AddressError::new(format!("{from} says {name:?}, which is no parameter of a Postgres connection: {meant}"))
}
