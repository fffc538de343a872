//! What can go wrong between a connection string and a connection.

/// Why a connection string cannot be used: one sentence that holds no value of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct AddressError(String);

impl AddressError {
    pub(super) fn new(sentence: String) -> AddressError {
        // It is shown on terminals, and a name in the string may hold what moves their cursor.
        let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        AddressError(sentence.chars().map(shown).collect())
    }
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("the server does not speak TLS, and sslmode asks for it; turn ssl on there, or write sslmode=disable")]
    NotSpoken,
    #[error("its certificate is not trusted: {0}")]
    Untrusted(String),
    #[error("{0}")]
    Unusable(String),
    #[error("TLS failed: {0}")]
    Broken(std::io::Error),
}

/// Why the database cannot be used: one sentence, with what to type.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub(crate) struct OpenError {
    pub(super) sentence: String,
    /// Another time it may work.
    pub(crate) waits: bool,
}
