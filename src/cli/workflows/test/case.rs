//! One case in a process of its own: its stages find their database and their variables as those of a worker do, and whatever they do
//! to their process ends no other case.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::args::CaseArgs;
use super::suite::Suite;
use crate::app::App;
use crate::bounded;
use crate::child;
use crate::cli::args::Global;
use crate::cli::database::Database;
use crate::cli::exit::Exit;
use crate::testing::cases::report::CaseReport;
use crate::testing::cases::run;
use crate::workflow::cases::Case;
use crate::workflow::duration;

/// What its report is called in its folder.
const REPORT: &str = "report.json";
/// Bytes of what its process said that are kept.
const SAID: usize = 16 << 10;
/// How much longer than its timeout a process may take, to start and to end.
const AROUND: Duration = Duration::from_secs(30);

/// The hidden command: runs the case and writes its report.
pub(crate) async fn case(app: App, global: Global, args: CaseArgs) -> anyhow::Result<Exit> {
    child::end_with_starter();
    let suite = Suite::read(&app, &global, &args.file).map_err(anyhow::Error::msg)?;
    let case = suite.file.cases.iter().find(|case| case.name.text == args.case);
    let case = case.with_context(|| format!("the file has no case `{}` any more", args.case))?;
    let database = Database::open_to_work(&global, false).await?;
    let report = run::run(case, suite.workflow, app.handlers, &database.store, &args.folder).await?;
    std::fs::write(args.folder.join(REPORT), serde_json::to_vec(&report)?).context("cannot write the report")?;
    database.close().await;
    Ok(Exit::Done)
}

/// Starts that process and waits for its end. Dropped, the process is killed, and what it has started ends with it.
pub(super) async fn run_in_process(
    global: &Global,
    file: &Path,
    case: &Case,
    url: &str,
    folder: &Path,
) -> anyhow::Result<CaseReport> {
    let mut command = Command::new(std::env::current_exe().context("where this program is")?);
    command.arg("workflow-case").arg("--file").arg(file).arg("--case").arg(&case.name.text).arg("--folder").arg(folder);
    if let Some(workflows) = &global.workflows {
        command.arg("--workflows").arg(workflows);
    }
    command
        .args(["--no-migrate", "--log", global.log.as_deref().unwrap_or("error")])
        .envs(&case.env)
        .env("DATABASE_URL", url)
        .env("TMPDIR", folder)
        // Ctrl-C is for the one that has started it, which then ends it.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut process = command.spawn().context("cannot start a process for the case")?;
    // Its end tells the process that this one is gone.
    let _alive = process.stdin.take();
    let mut said = Vec::new();
    let stderr = process.stderr.take();
    let ended = tokio::time::timeout(case.timeout + AROUND, async {
        if let Some(stderr) = stderr {
            stderr.take(SAID as u64).read_to_end(&mut said).await.ok();
        }
        process.wait().await
    });
    let said_so_far = |said: &[u8]| String::from_utf8_lossy(said).trim().to_owned();
    let Ok(status) = ended.await else {
        let why = format!("its process goes on {} after its time was up", duration::words(AROUND));
        return Ok(CaseReport::broken(with(why, &said_so_far(&said))));
    };
    let status = status.context("the process of the case is lost")?;
    let report = folder.join(REPORT);
    if !report.is_file() {
        return Ok(CaseReport::broken(with(
            format!("its process ended without a result ({status})"),
            &said_so_far(&said),
        )));
    }
    let Ok(report) = serde_json::from_str(&bounded::text(&report, bounded::SETTINGS)?) else {
        bail!("the report of the case cannot be read");
    };
    Ok(report)
}

fn with(why: String, said: &str) -> String {
    if said.is_empty() { why } else { format!("{why}: {said}") }
}
