//! Variables that stages may get: those of this process' environment, and where its database is, however it learned that.

use std::env::VarError;
use std::ffi::OsString;
use std::sync::OnceLock;

/// Names the database that this process works with, also where it was named otherwise, or is the private one.
pub(crate) const DATABASE_URL: &str = "DATABASE_URL";

static DATABASE: OnceLock<String> = OnceLock::new();

/// Says which database this process works with; the first one counts. `false` when it was another one.
pub(crate) fn database_is(url: String) -> bool {
    *DATABASE.get_or_init(|| url.clone()) == url
}

/// Names the artifact store of this process, however it was told of it.
pub(crate) const ARTIFACT_STORE: &str = "PITON_ARTIFACT_STORE";

static STORE: OnceLock<OsString> = OnceLock::new();

/// Says which artifact store this process works with; the first one counts.
pub(crate) fn artifact_store_is(name: OsString) {
    STORE.set(name).ok();
}

/// What goes to a program with the database, so that a Piton in it finds the files of its runs.
pub(crate) fn artifact_store() -> Option<&'static OsString> {
    STORE.get()
}

static CALLBACK_URL: OnceLock<String> = OnceLock::new();

/// Says where services reach the callbacks of this process; the first one counts.
pub(crate) fn callback_url_is(url: String) {
    CALLBACK_URL.set(url).ok();
}

/// Where services reach them, as far as this process was told.
pub(crate) fn callback_url() -> Option<&'static str> {
    CALLBACK_URL.get().map(String::as_str)
}

/// The value of a variable as text.
pub(crate) fn text(name: &str) -> Result<String, VarError> {
    match database(name) {
        Some(url) => Ok(url.to_owned()),
        None => std::env::var(name),
    }
}

/// The value of a variable as it is, where it has one.
pub(crate) fn value(name: &str) -> Option<OsString> {
    database(name).map(OsString::from).or_else(|| std::env::var_os(name))
}

/// Whether a stage that starts here finds it. A worker always has a database.
pub(crate) fn will_be_set(name: &str) -> bool {
    name == DATABASE_URL || std::env::var_os(name).is_some()
}

fn database(name: &str) -> Option<&'static str> {
    DATABASE.get().map(String::as_str).filter(|_| name == DATABASE_URL)
}
