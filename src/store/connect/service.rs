//! pg_service.conf: named connections, as libpq reads them.

use std::path::{Path, PathBuf};

use super::conninfo::Pairs;
use super::error::AddressError;
use crate::bounded;

/// Where libpq looks, the first that knows the service: the user's file, then the system's.
fn files(variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let home = std::env::home_dir().map(|home| home.join(".pg_service.conf"));
    let users = variable("PGSERVICEFILE").map(PathBuf::from).or(home);
    let system = variable("PGSYSCONFDIR").unwrap_or_else(|| "/etc/postgresql-common".to_owned());
    users.into_iter().chain([Path::new(&system).join("pg_service.conf")]).collect()
}

/// What the service says.
pub(super) fn pairs(service: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Pairs, AddressError> {
    let files = files(variable);
    for file in &files {
        // One that is not there says nothing, as with libpq.
        let Ok(text) = bounded::text(file, bounded::SETTINGS) else { continue };
        if let Some(pairs) = section(&text, service, file)? {
            return Ok(pairs);
        }
    }
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    Err(AddressError::new(format!(
        "there is no service [{service}] in {}; add it, or correct the name",
        files.join(" or ")
    )))
}

fn section(text: &str, service: &str, file: &Path) -> Result<Option<Pairs>, AddressError> {
    let heading = format!("[{service}]");
    let lines = text.lines().map(str::trim).enumerate();
    let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    if !lines.any(|(_, line)| line == heading) {
        return Ok(None);
    }
    let mut pairs = Pairs::new();
    for (number, line) in lines.take_while(|(_, line)| !line.starts_with('[')) {
        let Some((keyword, value)) = line.split_once('=') else {
            let (file, number) = (file.display(), number + 1);
            return Err(AddressError::new(format!("{file}:{number} is no name=value; correct the line")));
        };
        pairs.push((keyword.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(Some(pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_ends_where_the_next_one_begins() {
        let text = "# ours\n[other]\nhost=x\n\n[prod]\nhost=db\n port = 6\n# no\n[last]\nuser=z\n";
        let pairs = section(text, "prod", Path::new("f")).expect("well-formed").expect("there");
        assert_eq!(pairs, [("host".to_owned(), "db".to_owned()), ("port".to_owned(), "6".to_owned())]);
        assert!(section(text, "absent", Path::new("f")).expect("well-formed").is_none());
    }
}
