//! A connection URI, taken apart as libpq does it: several hosts, brackets around IPv6, percent-encoding.

use percent_encoding::percent_decode_str;

use super::conninfo::{self, Pairs};
use super::error::AddressError;

const EXAMPLE: &str = "it looks like postgres://user:password@host:5432/name";

/// Nothing of the string is in an error: it may hold a password.
pub(super) fn pairs(text: &str) -> Result<Pairs, AddressError> {
    let Some((scheme, rest)) = text.split_once("://") else {
        if text.contains('=') {
            return conninfo::pairs(text);
        }
        return Err(AddressError::new(format!("DATABASE_URL is no Postgres address; {EXAMPLE}")));
    };
    if !matches!(scheme, "postgres" | "postgresql") {
        return Err(AddressError::new(format!(
            "DATABASE_URL does not begin with postgres:// or postgresql://, and Piton runs on Postgres only; {EXAMPLE}"
        )));
    }
    let (address, query) = rest.split_once('?').map_or((rest, None), |(address, query)| (address, Some(query)));
    let (authority, database) = address.split_once('/').unwrap_or((address, ""));
    let mut pairs = Pairs::new();
    let hosts = match authority.rsplit_once('@') {
        Some((user, hosts)) => {
            let (user, password) = user.split_once(':').map_or((user, None), |(user, word)| (user, Some(word)));
            push(&mut pairs, "user", user)?;
            push(&mut pairs, "password", password.unwrap_or_default())?;
            hosts
        }
        None => authority,
    };
    push_hosts(&mut pairs, hosts)?;
    // Else the rest of a password would be taken for the name of the database, which is shown.
    if database.contains('@') {
        return Err(AddressError::new(
            "DATABASE_URL has an @ behind its first /; in a user or a password write %2F for / and %40 for @"
                .to_owned(),
        ));
    }
    push(&mut pairs, "dbname", database)?;
    for pair in query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
        let Some((keyword, value)) = pair.split_once('=') else {
            return Err(AddressError::new("DATABASE_URL has a parameter without a value; write name=value".to_owned()));
        };
        if value.split_once('?').is_some_and(|(_, behind)| behind.contains('=')) {
            return Err(AddressError::new(
                "DATABASE_URL has a ? between two parameters; write & there, or %3F for the character in a value"
                    .to_owned(),
            ));
        }
        push_parameter(&mut pairs, &decoded(keyword)?, decoded(value)?)?;
    }
    Ok(pairs)
}

fn push_parameter(pairs: &mut Pairs, keyword: &str, value: String) -> Result<(), AddressError> {
    // JDBC's, as libpq takes it.
    if keyword == "ssl" {
        let mode = if value == "true" { "require" } else { "ssl" };
        if mode == "ssl" {
            return Err(AddressError::new(
                "DATABASE_URL says ssl; write sslmode=require or sslmode=disable".to_owned(),
            ));
        }
        pairs.push(("sslmode".to_owned(), mode.to_owned()));
        return Ok(());
    }
    // sqlx's: options[search_path]=app.
    if let Some(setting) = keyword.strip_prefix("options[").and_then(|rest| rest.strip_suffix(']')) {
        pairs.push(("options".to_owned(), format!("-c {setting}={}", value.replace('\\', "\\\\").replace(' ', "\\ "))));
        return Ok(());
    }
    pairs.push((keyword.to_owned(), value));
    Ok(())
}

fn push(pairs: &mut Pairs, keyword: &str, value: &str) -> Result<(), AddressError> {
    if !value.is_empty() {
        pairs.push((keyword.to_owned(), decoded(value)?));
    }
    Ok(())
}

/// `host1:port1,host2:port2`; a host that is not said stays empty, so that the ports find theirs.
fn push_hosts(pairs: &mut Pairs, text: &str) -> Result<(), AddressError> {
    if text.is_empty() {
        return Ok(());
    }
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for host in text.split(',') {
        let (host, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':').unwrap_or_default()),
            None => host.split_once(':').unwrap_or((host, "")),
        };
        hosts.push(decoded(host)?);
        ports.push(decoded(port)?);
    }
    if hosts.iter().any(|host| !host.is_empty()) {
        pairs.push(("host".to_owned(), hosts.join(",")));
    }
    if ports.iter().any(|port| !port.is_empty()) {
        pairs.push(("port".to_owned(), ports.join(",")));
    }
    Ok(())
}

fn decoded(text: &str) -> Result<String, AddressError> {
    let bad = || {
        AddressError::new(
            "DATABASE_URL has a percent sign that begins no character; write %25 for the sign itself".to_owned(),
        )
    };
    for (at, _) in text.match_indices('%') {
        let digits = text.as_bytes().get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(bad());
        }
    }
    percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        pairs(text).map_or_else(
            |error| error.to_string(),
            |pairs| pairs.iter().map(|(keyword, value)| format!("{keyword}={value}")).collect::<Vec<_>>().join(" "),
        )
    }

    #[test]
    fn every_form_that_libpq_takes_is_taken() {
        let forms = [
            ("postgresql://", ""),
            ("postgres://localhost", "host=localhost"),
            ("postgres://ada:s%40e:c@host:5433/runs", "user=ada password=s@e:c host=host port=5433 dbname=runs"),
            ("postgres://ada:p@ss@host/", "user=ada password=p@ss host=host"),
            ("postgres://a:1,b,[::1]:3/x", "host=a,b,::1 port=1,,3 dbname=x"),
            ("postgres://%2Frun%2Fpg/x", "host=/run/pg dbname=x"),
            ("postgres:///x?host=/run/pg&port=5&ssl=true", "dbname=x host=/run/pg port=5 sslmode=require"),
            ("postgres://h?options[search_path]=a b", "host=h options=-c search_path=a\\ b"),
        ];
        for (text, expected) in forms {
            assert_eq!(said(text), expected, "{text}");
        }
    }
}
