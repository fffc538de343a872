//! `piton completions`: scripts with which shells complete Piton's commands.

use std::io::Write;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use super::args::{Arguments, CompletionsArgs, Global};
use super::exit::Exit;
use crate::cli::output::{Output, outln};
use crate::config;

pub(crate) fn completions(global: &Global, args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let script = script(args.shell, &program_name())?;
    if global.json {
        outln!("{}", serde_json::json!({"shell": args.shell.to_string(), "script": script}));
    } else {
        Output.write_all(script.as_bytes())?;
    }
    Ok(Exit::Done)
}

/// The name that is typed: a binary with handlers of its own has another one than Piton's.
pub(super) fn program_name() -> String {
    let program = config::program();
    Path::new(&program).file_name().map_or_else(|| "piton".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Into memory first: the generator panics where it cannot write.
fn script(shell: Shell, name: &str) -> anyhow::Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut shown(), name, &mut script);
    Ok(String::from_utf8(script)?)
}

/// All commands but those that other commands start; the generators would offer them too.
fn shown() -> Command {
    let whole = Arguments::command();
    let commands = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    Command::new("piton").args(whole.get_arguments().cloned()).subcommands(commands)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_s_script_knows_the_commands_and_the_program_s_own_name() {
        assert!(Shell::value_variants().len() >= 5);
        for shell in Shell::value_variants() {
            let script = script(*shell, "story").unwrap();
            for word in ["dead-letter", "dismiss", "resume", "story"] {
                assert!(script.contains(word), "{shell} does not know {word}");
            }
            assert!(!script.contains("bench-worker"), "{shell} offers what nobody types");
        }
    }
}
