//! The workers of a campaign: this same program, started again as an ordinary worker.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::Context;

use super::args::{ChaosArgs, ChaosWorkerArgs, GRACE, SILENCE};
use crate::app::App;
use crate::chaos::campaign::Start;
use crate::chaos::workload;
use crate::child;
use crate::cli::args::Global;
use crate::cli::exit::Exit;
use crate::cli::worker as ordinary;

/// The hidden command.
pub(crate) async fn worker(app: App, global: Global, args: ChaosWorkerArgs) -> anyhow::Result<Exit> {
    child::end_with_starter();
    if args.own {
        // Whatever folder the environment names: only the campaign's own workflow is worked on.
        let global = Global { workflows: None, ..global };
        return ordinary::worker(own(), global, args.worker).await;
    }
    ordinary::worker(app, global, args.worker).await
}

/// A program that has the campaign's own workflow and its handlers.
pub(super) fn own() -> App {
    App::new()
        .workflow("chaos.toml", workload::FILE)
        .workflow("chaos-child.toml", workload::CHILD_FILE)
        .handler("chaos-list", workload::list)
        .handler("chaos-part", workload::part)
        .handler("chaos-steps", workload::steps)
        .handler("chaos-total", workload::total)
        .handler("chaos-some", workload::some)
        .handler("chaos-spare", workload::spare)
        .handler("chaos-draft", workload::draft)
        .handler("chaos-leaf", workload::leaf)
}

/// How the campaign starts one: by its name, and by where it finds Postgres. Whatever workers write is in the campaign's folder,
/// also what killed ones leave half done; artifacts are where one that looks into a kept folder finds them.
pub(super) fn start(
    global: &Global,
    args: &ChaosArgs,
    own: bool,
    (mark, folder): (&str, &Path),
) -> anyhow::Result<Start> {
    let program = std::env::current_exe().context("where this program is")?;
    let mut arguments = vec!["chaos-worker".to_owned(), "--no-migrate".to_owned()];
    arguments.extend(own.then(|| "--own".to_owned()));
    arguments.extend(["--slots".to_owned(), args.slots.to_string()]);
    arguments.extend(["--lease".to_owned(), format!("{}ms", args.lease.as_millis())]);
    arguments.extend(["--grace".to_owned(), format!("{}ms", GRACE.as_millis())]);
    // Of the files that stages hand to each other, only some are at hand.
    arguments.extend(["--file-cache".to_owned(), "1MiB".to_owned()]);
    arguments.extend(["--log".to_owned(), global.log.clone().unwrap_or_else(|| ordinary::WORKER_LOG.to_owned())]);
    if let (false, Some(folder)) = (own, &global.workflows) {
        arguments.extend(["--workflows".to_owned(), folder.display().to_string()]);
    }
    let (mark, folder) = (mark.to_owned(), folder.to_owned());
    Ok(Arc::new(move |name, url| {
        let mut command = Command::new(&program);
        command
            .args(&arguments)
            .args(["--name", name, "--metrics", "127.0.0.1:0"])
            .env("DATABASE_URL", url)
            .env("PITON_DATABASE_SILENCE", format!("{}ms", SILENCE.as_millis()))
            .env("PITON_ARTIFACT_STORE", folder.join("artifacts"))
            .env("TMPDIR", &folder)
            .env(workload::MARK, &mark)
            .env(workload::PROGRAM, &program);
        command
    }))
}
