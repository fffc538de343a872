//! What a handler under test has left behind.

/// What a handler reported last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestProgress {
    /// How much is done.
    pub done: u64,
    /// Of how much.
    pub of: u64,
    /// In words.
    pub message: String,
}

/// An artifact that a handler has kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestArtifact {
    /// Its name.
    pub name: String,
    /// What it is: `output`, or what the handler called it.
    pub artifact_type: String,
    /// Its media type, where the handler has given one.
    pub content_type: Option<String>,
    /// What is in it.
    pub bytes: Vec<u8>,
}
