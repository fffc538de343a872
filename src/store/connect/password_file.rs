//! The password file, as libpq reads it: `host:port:database:user:password`, the first matching line.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::bounded;

/// Whose password is looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whose<'a> {
    /// `localhost` for a Unix socket in the usual place.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// `None` where there is no such line, no such file, or one that others may read, which libpq passes over as well.
pub(super) fn password(file: &Path, whose: Whose<'_>) -> Option<String> {
    let about = std::fs::metadata(file).ok()?;
    if !about.is_file() {
        return None;
    }
    if about.permissions().mode() & 0o077 != 0 {
        let file = file.display();
        tracing::warn!("the password file {file} is not used, since others may read it; type: chmod 600 {file}");
        return None;
    }
    bounded::text(file, bounded::SETTINGS).ok()?.lines().find_map(|line| of_line(line, whose))
}

fn of_line(line: &str, whose: Whose<'_>) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let port = whose.port.to_string();
    let mut rest = line;
    for wanted in [whose.host, &port, whose.database, whose.user] {
        let (field, after) = field(rest)?;
        if rest.split(':').next() != Some("*") && field != wanted {
            return None;
        }
        rest = after;
    }
    Some(field(rest).map_or_else(|| unescaped(rest), |(password, _)| password))
}

/// Up to the next colon that is not escaped, and what stands behind it.
fn field(text: &str) -> Option<(String, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ':' => return Some((unescaped(&text[..at]), &text[at + 1..])),
            _ => {}
        }
    }
    None
}

fn unescaped(text: &str) -> String {
    let mut characters = text.chars();
    std::iter::from_fn(|| characters.next().and_then(|c| if c == '\\' { characters.next() } else { Some(c) })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_fits_has_the_password() {
        let whose = Whose { host: "db", port: 5432, database: "runs", user: "ada" };
        assert_eq!(of_line("db:5432:runs:ada:s3", whose).as_deref(), Some("s3"));
        assert_eq!(of_line(r"*:*:*:ada:a\:b\\c", whose).as_deref(), Some(r"a:b\c"));
        assert_eq!(of_line("db:5432:runs:ada:", whose).as_deref(), Some(""));
        for other in ["# *:*:*:*:x", "db:5433:runs:ada:x", "other:*:*:*:x", "db:5432:runs"] {
            assert_eq!(of_line(other, whose), None, "{other}");
        }
    }
}
