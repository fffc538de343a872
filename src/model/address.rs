//! Where an artifact is in its store, and what its address says. Pure.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use super::artifact::ArtifactName;
use super::id::{NO_ITEM, RunId};

/// Bytes of a name in an address. A bucket's keys have up to 1,024, and a file's name 255 with what marks it as half done.
const LONGEST_IN_ADDRESS: usize = 200;
/// What stands in an address as it is, beside letters and digits. Everything else is encoded, as in a URL.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'_')
    .remove(b'-')
    .remove(b'+')
    .remove(b'=')
    .remove(b'@')
    .remove(b'(')
    .remove(b')')
    .remove(b',')
    .remove(b' ');

/// Where an artifact is, below what its database has of the store. Its id is part of it, so that nothing is ever written over.
pub(crate) fn address(run: RunId, stage: &str, item: i32, attempt: i32, artifact: Uuid, name: &ArtifactName) -> String {
    let item = if item == NO_ITEM { "-".to_owned() } else { item.to_string() };
    format!("{run}/{stage}/{item}/{attempt}-{artifact}/{}", name_in(name))
}

/// What every address in a store begins with.
pub(crate) const ROOT: &str = "runs";
/// And then this and the database's own id, so that several can share a store. Addresses of older releases have neither.
const OWNER: &str = "db-";

/// What an address tells that Piton made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made<'a> {
    /// The database, where the address says it.
    pub(crate) owner: Option<&'a str>,
    pub(crate) run: Uuid,
}

impl Made<'_> {
    /// `None` where Piton never makes an address like that.
    pub(crate) fn of(address: &str) -> Option<Made<'_>> {
        let below = Some(address).filter(|address| address.is_ascii())?.strip_prefix(ROOT)?.strip_prefix('/')?;
        let (owner, below) = match below.strip_prefix(OWNER) {
            Some(owned) => owned.split_once('/').map(|(owner, below)| (Some(owner), below))?,
            None => (None, below),
        };
        let mut parts = below.splitn(5, '/');
        let run = uuid(parts.next()?)?;
        let _stage = parts.next().filter(|stage| !stage.is_empty())?;
        let _item = parts.next().filter(|item| *item == "-" || item.parse::<u32>().is_ok())?;
        let (attempt, artifact) = parts.next()?.split_once('-')?;
        attempt.parse::<u32>().ok()?;
        uuid(artifact)?;
        parts.next().filter(|name| !name.is_empty())?;
        Some(Made { owner, run })
    }
}

/// In the form that Piton writes, and in no other.
fn uuid(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|id| id.to_string() == text)
}

/// A name as the end of an address: encoded, and only its own end where it is long. The address has an id, so that two never
/// have the same.
fn name_in(name: &ArtifactName) -> String {
    let parts: Vec<String> = name.as_str().split('/').map(encoded).collect();
    let whole = parts.join("/");
    if whole.len() <= LONGEST_IN_ADDRESS {
        return whole;
    }
    let last = parts.last().map_or("", String::as_str);
    let cut = last.len().saturating_sub(LONGEST_IN_ADDRESS);
    // Behind an escape, where it would be cut in two: %, and two digits.
    let escape = last[..cut].rfind('%').filter(|at| at + 3 > cut);
    last[escape.map_or(cut, |at| at + 3)..].trim_start_matches(' ').to_owned()
}

/// One part of a name, as a part of an address. Spaces at its ends and dots alone are signs to too many programs.
fn encoded(part: &str) -> String {
    if part.chars().all(|c| c == '.') {
        return "%2E".repeat(part.len());
    }
    let text = utf8_percent_encode(part, ENCODED).to_string();
    let (inner, outer) = (text.trim_start_matches(' '), text.trim_end_matches(' '));
    let (before, after) = (text.len() - inner.len(), text.len() - outer.len());
    if before == text.len() {
        return "%20".repeat(before);
    }
    format!("{}{}{}", "%20".repeat(before), text.trim_matches(' '), "%20".repeat(after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of_path(path: &str) -> ArtifactName {
        ArtifactName::of_path(&path.split('/').map(str::to_owned).collect::<Vec<_>>()).expect("a name")
    }

    fn at(name: &str) -> String {
        address(RunId(Uuid::nil()), "draw", NO_ITEM, 2, Uuid::max(), &of_path(name))
    }

    #[test]
    fn an_address_is_plain_whatever_the_name() {
        let name = |name: &str| at(name).splitn(5, '/').last().map(str::to_owned).unwrap_or_default();
        assert_eq!(name("pages/b 2 (final).txt"), "pages/b 2 (final).txt");
        assert_eq!(name("ü/a\nb#1"), "%C3%BC/a%0Ab%231");
        assert_eq!(name(".../ a /  "), "%2E%2E%2E/%20a%20/%20%20");
        assert_eq!(name(&format!("{}.png", "é".repeat(120))), format!("%A9{}.png", "%C3%A9".repeat(32)));
        assert_eq!(name(&format!("{}/1.png", "x".repeat(250))), "1.png");
    }

    #[test]
    fn an_address_tells_whether_piton_made_it() {
        let made = at("a.txt");
        insta::assert_snapshot!(made, @"00000000-0000-0000-0000-000000000000/draw/-/2-ffffffff-ffff-ffff-ffff-ffffffffffff/a.txt");
        let run = Uuid::nil();
        assert_eq!(Made::of(&format!("runs/db-0a/{made}")), Some(Made { owner: Some("0a"), run }));
        assert_eq!(Made::of(&format!("runs/{made}")), Some(Made { owner: None, run }), "of an older release");
        for other in [
            "runs/stray/file".to_owned(),
            made.clone(),
            format!("run/{made}"),
            format!("runs/db-{made}"),
            format!("runs/{made}").replace("/a.txt", ""),
            format!("runs/{made}").replace("/a.txt", "/"),
            format!("runs/{made}").replace("/-/", "/x/"),
            format!("runs/{made}").replace("/2-", "/"),
            format!("runs/{made}").to_uppercase(),
            format!("runs/db-0a/db-0b/{made}"),
            format!("runs/{made}é"),
        ] {
            assert_eq!(Made::of(&other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_name_has_an_address_that_a_store_takes(parts in prop::collection::vec("[^/\\x00]{1,60}", 1..6)) {
            prop_assume!(parts.iter().all(|part| part != "." && part != ".."));
            let name = ArtifactName::of_path(&parts).expect("a name");
            prop_assert_eq!(name.as_str(), parts.join("/"));
            let address = format!("runs/db-0/{}", address(RunId(Uuid::nil()), "s", 7, 1, Uuid::max(), &name));
            prop_assert!(address.is_ascii() && address.len() <= 400 && !address.contains(|c: char| c.is_control()));
            prop_assert!(address.split('/').all(|part| !matches!(part, "" | "." | "..") && part.trim() == part), "{}", address);
            prop_assert!(Made::of(&address).is_some());
        }
    }
}
