//! What the author of a mistake reads, word for word, and that no file can do harm.

mod conditions;
mod fuzz;
mod harm;
mod input;
mod keys;
mod kinds;
mod quorums;
mod races;
mod retry;
mod rounds;
mod stages;
mod toml;
mod whole;

use super::*;

fn parse(text: &str) -> Result<Workflow, Mistakes> {
    Workflow::parse("story.toml", text.as_bytes(), &Limits::default())
}

/// Line, column, message and cure of each mistake.
fn brief(text: &str) -> String {
    let json = parse(text).expect_err("mistakes").to_json();
    let line = |m: &serde_json::Value| {
        let text = |key: &str| m[key].as_str().unwrap_or_default().to_owned();
        format!("{}:{} {}\n      {}\n", m["line"], m["column"], text("message"), text("help"))
    };
    json.as_array().into_iter().flatten().map(line).collect()
}

/// The mistakes of one stage `b` that stands after a right stage `a` (on lines 1 to 5).
fn stage(text: &str) -> String {
    brief(&format!("name = 'story'\n[stages.a]\nrust = 'a'\n[stages.b]\nrust = 'b'\n{text}\n"))
}
