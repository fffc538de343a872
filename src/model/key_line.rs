//! Which line of a long text says what went wrong: each language and tool puts it somewhere else. Pure.

/// Lines that end a report without saying anything of its cause.
const VAGUE: &[&str] = &[
    "conversion failed!",
    "aborted",
    "aborting",
    "exiting",
    "see above",
    "npm err! a complete log of this run can be found in",
    "note: run with `rust_backtrace=1`",
    "for more information about this error",
    "error: aborting due to",
    "build failed",
    "command failed",
];

/// Words by which a line is taken for one that reports a failure.
const WORDS: &[&str] = &[
    "error",
    "fatal",
    "exception",
    "failed",
    "failure",
    "panic",
    "cannot",
    "can't",
    "could not",
    "denied",
    "refused",
    "not found",
    "no such",
    "invalid",
    "timed out",
    "timeout",
    "unable to",
    "err!",
    "killed",
    "exceeded",
];

/// The line that reports the cause, by the marks of a language: Python, Java, .NET, Rust, Go, JavaScript. `None` where
/// there are none.
pub(crate) fn marked(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    python(&lines)
        .or_else(|| java(&lines))
        .or_else(|| anyhow(&lines))
        .or_else(|| rust_panic(&lines))
        .or_else(|| go_panic(&lines))
        .or_else(|| javascript(&lines))
}

/// The last line of a log that says something of a failure; where none does, the last one.
pub(crate) fn last(log: &str) -> Option<String> {
    marked(log).or_else(|| {
        let said = || log.lines().rev().map(str::trim).filter(|line| !line.is_empty());
        said().find(|line| !is_vague(line)).or_else(|| said().next()).map(str::to_owned)
    })
}

/// The first line that says something of a failure; where none does, the first one.
pub(crate) fn first(message: &str) -> Option<String> {
    marked(message).or_else(|| {
        let said = || message.lines().map(str::trim).filter(|line| !line.is_empty());
        said().find(|line| reports(line) && !is_vague(line)).or_else(|| said().next()).map(str::to_owned)
    })
}

fn reports(line: &str) -> bool {
    let line = line.to_lowercase();
    WORDS.iter().any(|word| line.contains(word))
}

fn is_vague(line: &str) -> bool {
    let line = line.to_lowercase();
    VAGUE.iter().any(|vague| line.starts_with(vague))
}

/// Behind the last traceback: its first line that is not indented.
fn python(lines: &[&str]) -> Option<String> {
    let start = lines.iter().rposition(|line| line.contains("Traceback (most recent call last)"))?;
    let said = lines[start + 1..].iter().find(|line| !line.is_empty() && !line.starts_with([' ', '\t']))?;
    Some((*said).to_owned())
}

/// The innermost cause; without one, the exception itself.
fn java(lines: &[&str]) -> Option<String> {
    let cause = |line: &&str| {
        let line = line.trim_start();
        line.strip_prefix("Caused by: ").or_else(|| line.strip_prefix("---> ")).map(str::to_owned)
    };
    let thrown = |line: &&str| line.split_once("Exception in thread \"").map(|(_, rest)| rest.to_owned());
    lines.iter().rev().find_map(cause).or_else(|| lines.iter().find_map(thrown))
}

/// The last line of what stands below `Caused by:`.
fn anyhow(lines: &[&str]) -> Option<String> {
    let start = lines.iter().rposition(|line| line.trim() == "Caused by:")?;
    let causes = lines[start + 1..].iter().take_while(|line| line.starts_with([' ', '\t']));
    let last = causes.last()?.trim();
    let is_numbered = |number: &str| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    Some(last.split_once(": ").filter(|(number, _)| is_numbered(number)).map_or(last, |(_, cause)| cause).to_owned())
}

/// The place and, on the next line, the message.
fn rust_panic(lines: &[&str]) -> Option<String> {
    let at = lines.iter().position(|line| line.contains("panicked at "))?;
    let place = lines[at].split_once("panicked at ").map_or("", |(_, place)| place);
    let message = lines.get(at + 1).filter(|line| !line.starts_with("note: ")).map_or("", |line| line);
    Some(format!("panicked at {place} {message}").trim_end().to_owned())
}

fn go_panic(lines: &[&str]) -> Option<String> {
    let begins = |line: &&&str| line.starts_with("panic: ") || line.starts_with("fatal error: ");
    lines.iter().find(begins).map(|line| (*line).to_owned())
}

/// `TypeError: …` above a stack.
fn javascript(lines: &[&str]) -> Option<String> {
    let stack = lines.iter().position(|line| line.trim_start().starts_with("at ") && line.starts_with("  "))?;
    let names = |line: &&&str| {
        let name = line.split(':').next().unwrap_or_default().trim_start_matches("Uncaught ");
        let name = name.split(" [").next().unwrap_or_default();
        name.ends_with("Error") && !name.contains(' ')
    };
    lines[..stack].iter().rfind(names).map(|line| (*line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_names_the_cause_is_found() {
        let first = |text| first(text).unwrap_or_default();
        let last = |text| last(text).unwrap_or_default();
        let python =
            "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\nKeyError: 'topic'\n";
        assert_eq!((first(python), last(python)), ("KeyError: 'topic'".to_owned(), "KeyError: 'topic'".to_owned()));
        let java = "Exception in thread \"main\" com.x.Batch: 17 failed\n\tat com.x.Main.main(Main.java:5)\n\
                    Caused by: java.net.SocketTimeoutException: Read timed out\n\tat java.base/x(Y.java:1)\n\t... 5 more\n";
        assert_eq!(last(java), "java.net.SocketTimeoutException: Read timed out");
        let anyhow = "Error: cannot load\n\nCaused by:\n    0: cannot open x.toml\n    1: No such file or directory (os error 2)\n";
        assert_eq!(first(anyhow), "No such file or directory (os error 2)");
        let rust = "thread 'main' panicked at src/main.rs:4:5:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1`";
        assert_eq!(last(rust), "panicked at src/main.rs:4:5: index out of bounds");
        let node = "/app/x.js:3\n  throw e;\n  ^\n\nTypeError: x is not a function\n    at f (/app/x.js:3:4)\n\nNode.js v20.1.0";
        assert_eq!(last(node), "TypeError: x is not a function");
        let go = "panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\nmain.main()\n";
        assert_eq!(last(go), "panic: assignment to entry in nil map");
        assert_eq!(last("x.mp4: Invalid data found\nConversion failed!\n\n"), "x.mp4: Invalid data found");
        assert_eq!(first("starting\nERROR: no space left\nbye"), "ERROR: no space left");
        assert_eq!((first("one\ntwo"), last("one\ntwo")), ("one".to_owned(), "two".to_owned()));
        assert_eq!(super::first(" \n"), None);
    }
}
