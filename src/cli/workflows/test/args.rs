//! The arguments of `workflows test`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Clone, Args)]
pub(crate) struct TestArgs {
    /// Test files (NAME.test.toml), workflow files that have one beside them, or folders [default: those in the folder of the
    /// workflow files].
    pub(crate) files: Vec<PathBuf>,
    /// Only cases whose name, written WORKFLOW/CASE, contains this text.
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Write a report for CI systems into this file, in the format of JUnit.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Number of cases that run side by side [default: the number of processors].
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) jobs: Option<u32>,
}

/// Of the process that runs one case; `workflows test` starts it.
#[derive(Debug, Clone, Args)]
pub(crate) struct CaseArgs {
    /// The test file.
    #[arg(long)]
    pub(crate) file: PathBuf,
    /// The case's name.
    #[arg(long)]
    pub(crate) case: String,
    /// Folder of the case, which gets its report.
    #[arg(long)]
    pub(crate) folder: PathBuf,
}
