//! A time zone by its name in the tz database. Pure, but for that database.

use std::fmt;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::similar::similar;

/// A zone, and the name it was asked for by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Zone {
    name: String,
    rules: TimeZone,
}

/// Why a text names no zone; says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", cure(.0))]
pub(crate) struct ZoneError(String);

impl Zone {
    pub(crate) fn utc() -> Zone {
        Zone { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// The system's database is asked first, then the one that Piton brings along.
    pub(crate) fn named(name: &str) -> Result<Zone, ZoneError> {
        let databases = [jiff::tz::db().clone(), TimeZoneDatabase::bundled()];
        let found = databases.iter().find_map(|database| database.get(name).ok());
        // As the database spells it, so that another spelling makes no new version.
        let named = found.and_then(|rules| Some(Zone { name: rules.iana_name()?.to_owned(), rules }));
        named.ok_or_else(|| ZoneError(name.chars().take(80).collect()))
    }

    pub(crate) fn rules(&self) -> &TimeZone {
        &self.rules
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn cure(name: &str) -> String {
    let names: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
    let of_city =
        names.iter().find(|known| known.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name)));
    let meant = of_city.map(String::as_str).or_else(|| similar(name, names.iter().map(String::as_str)));
    match meant {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => "write the name of a zone of the tz database, such as \"Europe/Berlin\" or \"UTC\"".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_that_there_is_not_is_told_with_the_nearest_one() {
        let error = |name: &str| Zone::named(name).expect_err(name).to_string();
        insta::assert_snapshot!(error("Europe/Berln"), @r#"did you mean "Europe/Berlin"?"#);
        insta::assert_snapshot!(error("berlin"), @r#"did you mean "Europe/Berlin"?"#);
        insta::assert_snapshot!(error("+02:00"), @r#"write the name of a zone of the tz database, such as "Europe/Berlin" or "UTC""#);
        assert_eq!(Zone::named("europe/berlin").unwrap(), Zone::named("Europe/Berlin").unwrap());
    }
}
