//! How to connect to the cluster, and whether one can.

use super::error::EmbeddedError;
use super::folder::Folder;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection, Executor};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// The superuser that `initdb` makes.
pub(crate) const USER: &str = "piton";

/// The database that is always there.
pub(crate) const DATABASE: &str = "piton";

/// The port counts only as part of the socket's name.
pub(crate) const PORT: u16 = 5432;

/// A server that is up answers in milliseconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// How a database of the cluster is reached.
pub(crate) fn options(folder: &Folder, database: &str) -> PgConnectOptions {
    options_at(&folder.run(), database)
}

/// The same for a folder that the server's socket is found in.
pub(crate) fn options_at(run: &Path, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host("localhost")
        .port(PORT)
        .socket(run)
        .username(USER)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
}

/// The same as a URL that `psql` takes.
pub(crate) fn url(folder: &Folder, database: &str) -> String {
    let (database, host) = (percent_encoded(database.as_bytes()), percent_encoded(folder.run().as_os_str().as_bytes()));
    format!("postgresql:///{database}?host={host}&port={PORT}&user={USER}")
}

/// A URL of the same for those who come through a port on this machine.
pub(crate) fn url_through(port: u16, database: &str) -> String {
    format!("postgresql://{USER}@127.0.0.1:{port}/{}?sslmode=disable", percent_encoded(database.as_bytes()))
}

/// Whether the cluster can be used now; makes the database [`DATABASE`] if it is missing.
pub(crate) async fn is_ready(folder: &Folder) -> Result<bool, EmbeddedError> {
    match attempt(folder, DATABASE).await {
        Attempt::Connected(connection) => {
            close(connection).await;
            Ok(true)
        }
        Attempt::Full => Ok(true),
        Attempt::NotYet => Ok(false),
        Attempt::NoDatabase => make_database(folder).await,
        Attempt::Refused(source) => Err(EmbeddedError::Refused { folder: folder.base().to_path_buf(), source }),
    }
}

enum Attempt {
    Connected(PgConnection),
    /// The server is up and its connections are all taken.
    Full,
    NotYet,
    NoDatabase,
    Refused(sqlx::Error),
}

async fn attempt(folder: &Folder, database: &str) -> Attempt {
    let options = options(folder, database).disable_statement_logging();
    match tokio::time::timeout(ANSWER_LIMIT, options.connect()).await {
        Err(_) => Attempt::NotYet,
        Ok(Ok(connection)) => Attempt::Connected(connection),
        Ok(Err(error)) => meaning_of(error),
    }
}

fn meaning_of(error: sqlx::Error) -> Attempt {
    match error.as_database_error().and_then(|answer| answer.code()).as_deref() {
        Some("53300") => Attempt::Full,
        Some("3D000") => Attempt::NoDatabase,
        Some(code) if code.starts_with("57P") => Attempt::NotYet, // starting up, or shutting down
        Some(_) => Attempt::Refused(error),
        None if is_lasting(&error) => Attempt::Refused(error),
        None => Attempt::NotYet,
    }
}

/// A socket that we may not touch will not get better by waiting; one that is missing or deaf will.
fn is_lasting(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied)
}

async fn make_database(folder: &Folder) -> Result<bool, EmbeddedError> {
    let mut connection = match attempt(folder, "postgres").await {
        Attempt::Connected(connection) => connection,
        Attempt::Full | Attempt::NotYet | Attempt::NoDatabase => return Ok(false),
        Attempt::Refused(source) => {
            return Err(EmbeddedError::Refused { folder: folder.base().to_path_buf(), source });
        }
    };
    let made = connection.execute("create database piton").await;
    close(connection).await;
    match made {
        Ok(_) => Ok(true),
        // Made by another process in the meantime; a lost race may also surface as a clash on the catalog's index.
        Err(sqlx::Error::Database(answer)) if matches!(answer.code().as_deref(), Some("42P04" | "23505")) => Ok(true),
        Err(source) => Err(EmbeddedError::Refused { folder: folder.base().to_path_buf(), source }),
    }
}

async fn close(connection: PgConnection) {
    // The server sees the end of the connection in any case.
    connection.close().await.ok();
}

fn percent_encoded(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => text.push(char::from(*byte)),
            // Writing to a String cannot fail.
            _ => write!(text, "%{byte:02X}").unwrap_or_default(),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn the_url_survives_spaces_in_the_path() {
        let folder = Folder::at(PathBuf::from("/Users/ada/Library/Application Support/piton/pg17"));
        assert_eq!(
            url(&folder, "my runs?"),
            "postgresql:///my%20runs%3F?host=/Users/ada/Library/Application%20Support/piton/pg17/run&port=5432&user=piton"
        );
    }
}
