//! Piton's command line without handlers: for workflow files, runs and databases.

use std::process::ExitCode;

fn main() -> ExitCode {
    piton::App::new().main()
}
