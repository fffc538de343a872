//! What a connection error means, in one sentence: the last real cause, and what to type.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use sqlx::error::DatabaseError;

use super::away::{is_away, is_wrong_address};
use super::dial::of_io;
use super::error::OpenError;
use super::server::Server;

/// Whoever works, decides, or looks.
const GIVE_RIGHTS: &str =
    "grant piton_worker to USER  (piton_operator for people who decide, piton_reader for those who only look)";

/// What went wrong, without what sqlx and Postgres say of their own sources.
pub(crate) fn in_words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(said) if lacks_rights(error) => {
            format!("{}; an owner of the schema gives them:  {GIVE_RIGHTS}", said.message())
        }
        sqlx::Error::Database(said) => message(&**said).into_owned(),
        sqlx::Error::Io(error) => of_io(error),
        sqlx::Error::PoolTimedOut => "no connection could be had in time".to_owned(),
        sqlx::Error::PoolClosed => "the connections are being closed".to_owned(),
        other => other.to_string(),
    }
}

/// What Postgres said; of a NUL character, which none of its texts can hold, in plain words.
pub(crate) fn message(said: &dyn DatabaseError) -> Cow<'_, str> {
    let is_nul = said.code().as_deref() == Some("22021") && said.message().contains("0x00");
    if is_nul {
        "a text holds a NUL character, which Postgres cannot keep: leave it out".into()
    } else {
        said.message().into()
    }
}

/// The role may not do it.
pub(crate) fn lacks_rights(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(DatabaseError::code).as_deref() == Some("42501")
}

/// Why the database cannot be used, for whoever gave its address.
pub(super) fn conclude(error: &sqlx::Error, server: &Server) -> OpenError {
    let waits = is_away(error) && !is_wrong_address(error);
    let code = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default();
    OpenError { sentence: sentence(&code, &in_words(error), server.name()), waits }
}

fn sentence(code: &str, reason: &str, name: &str) -> String {
    let Some(cure) = cure(code, reason, name) else { return reason.to_owned() };
    let at = if reason.starts_with("cannot connect to ") { String::new() } else { format!("{name}: ") };
    format!("{at}{reason}; {cure}")
}

/// `None` where the reason says it.
fn cure(code: &str, reason: &str, name: &str) -> Option<String> {
    Some(match code {
        "28P01" => "correct the password in DATABASE_URL, PGPASSWORD or the password file".to_owned(),
        "28000" if reason.contains("pg_hba.conf") => {
            "let it in with a line in pg_hba.conf of the server, and then type there:  psql -c 'select pg_reload_conf()'"
                .to_owned()
        }
        "28000" if reason.starts_with("cannot connect to ") => return None,
        "28000" => "correct the user in DATABASE_URL, or create the role:  createuser NAME".to_owned(),
        "3D000" => {
            let (server, database) = name.rsplit_once('/').unwrap_or((name, ""));
            let (database, parameters) = database.split_once('?').map_or((database, String::new()), |(database, rest)| {
                (database, format!("?{rest}"))
            });
            let database = percent_decode_str(database).decode_utf8_lossy().replace('"', "\"\"");
            let statement = in_quotes(&format!("create database \"{database}\""));
            format!("create it:  psql '{server}/postgres{parameters}' -c {statement}")
        }
        "53300" => "close other connections to it, raise max_connections there, or use a pooler in session mode".to_owned(),
        _ if reason.ends_with("does not resolve") => "correct the host in DATABASE_URL".to_owned(),
        _ => format!("see how it is:  pg_isready -d '{name}'"),
    })
}

/// As one word for a shell.
fn in_quotes(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "postgresql://ada@db:5432/runs";

    /// Golden: what people read when the database cannot be used.
    #[test]
    fn an_error_is_one_sentence_with_the_cause_and_what_to_type() {
        let cases = [
            (
                ("08001", "cannot connect to db:5432: connection refused"),
                "cannot connect to db:5432: connection refused; see how it is:  pg_isready -d \
                 'postgresql://ada@db:5432/runs'",
            ),
            (
                ("08001", "cannot connect to db:5432: the name of the host does not resolve"),
                "cannot connect to db:5432: the name of the host does not resolve; correct the host in DATABASE_URL",
            ),
            (
                ("28P01", "password authentication failed for user \"ada\""),
                "postgresql://ada@db:5432/runs: password authentication failed for user \"ada\"; correct the password in \
                 DATABASE_URL, PGPASSWORD or the password file",
            ),
            (
                ("3D000", "database \"runs\" does not exist"),
                "postgresql://ada@db:5432/runs: database \"runs\" does not exist; create it:  psql \
                 'postgresql://ada@db:5432/postgres' -c 'create database \"runs\"'",
            ),
            (
                (
                    "28000",
                    "no pg_hba.conf entry for host \"10.0.0.9\", user \"ada\", database \"runs\", SSL encryption",
                ),
                "postgresql://ada@db:5432/runs: no pg_hba.conf entry for host \"10.0.0.9\", user \"ada\", database \
                 \"runs\", SSL encryption; let it in with a line in pg_hba.conf of the server, and then type there:  psql \
                 -c 'select pg_reload_conf()'",
            ),
            (
                ("53300", "sorry, too many clients already"),
                "postgresql://ada@db:5432/runs: sorry, too many clients already; close other connections to it, raise \
                 max_connections there, or use a pooler in session mode",
            ),
            (
                (
                    "28000",
                    "cannot connect to db:5432: the server does not speak TLS, and sslmode asks for it; turn ssl on",
                ),
                "cannot connect to db:5432: the server does not speak TLS, and sslmode asks for it; turn ssl on",
            ),
        ];
        for ((code, reason), expected) in cases {
            assert_eq!(sentence(code, reason, NAME), expected);
        }
    }

    #[test]
    fn a_database_that_is_not_there_is_named_as_it_is_and_not_as_in_its_address() {
        let said =
            sentence("3D000", "no such database", "postgresql://ada@db/it's%20%22mine%22%2F%C3%A4?sslmode=require");
        assert!(
            said.ends_with(
                r#"psql 'postgresql://ada@db/postgres?sslmode=require' -c 'create database "it'\''s ""mine""/ä"'"#
            ),
            "{said}"
        );
    }
}
