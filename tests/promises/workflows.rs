//! The workflow files that tests share.

/// One stage, splitting into items, and one that brings them together.
pub(crate) const SQUARES: &str = r#"
name = "squares"
[stages.numbers]
rust = "numbers"
[stages.square]
rust = "square"
needs = ["numbers"]
for_each = "numbers.numbers"
[stages.sum]
rust = "sum"
needs = ["square"]
"#;

/// One stage that works for a while.
pub(crate) const WORK: &str = "name = \"work\"\n[stages.work]\nrust = \"work\"\n";

/// Three stages in a row.
pub(crate) const CHAIN: &str = r#"
name = "chain"
[stages.first]
rust = "work"
[stages.second]
rust = "work"
needs = ["first"]
[stages.third]
rust = "work"
needs = ["second"]
"#;

/// One stage that does what it is told, and has little time for it.
pub(crate) const MISBEHAVE: &str =
    "name = \"misbehave\"\n[stages.misbehave]\nrust = \"misbehave\"\ntimeout = \"300ms\"\n";
