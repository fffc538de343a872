//! `piton workflows test`: the cases of test files, each a real run in a database of its own.

pub(in crate::cli) mod args;
mod case;
mod junit;
mod results;
mod said;
mod suite;

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use futures_util::stream::{self, StreamExt};

use self::args::TestArgs;
pub(crate) use self::case::case;
use self::results::Results;
use self::said::full_name;
use self::suite::{Suite, test_files};
use crate::app::App;
use crate::cli::args::Global;
use crate::cli::database;
use crate::cli::exit::Exit;
use crate::cli::output::{errln, outln};
use crate::embedded::ThrowawayFolder;
use crate::model::quoted::quoted;
use crate::testing::TestDatabase;
use crate::testing::cases::report::{CaseReport, Verdict};
use crate::worker::Shutdown;
use crate::workflow::cases::Case;

/// Ends with 0 where every case passed, 1 where one did not, 2 where there is nothing to run, or a file has mistakes, and 4 where a
/// signal stopped it: what became of the cases that had ended is reported all the same.
pub(super) async fn test(app: App, global: Global, args: TestArgs) -> anyhow::Result<Exit> {
    let shutdown = Shutdown::on_signals()?;
    let suites = match suites(&app, &global, &args) {
        Ok(suites) => suites,
        Err(error) => {
            errln!("error: {error}");
            return Ok(Exit::Usage);
        }
    };
    if let Some(path) = &args.junit
        && let Err(error) = File::options().append(true).create(true).open(path)
    {
        errln!("error: cannot write {}: {error}", path.display());
        return Ok(Exit::Usage);
    }
    if global.database_url.is_some() && !global.json {
        errln!(
            "note: tests do not use DATABASE_URL; each case has a database of its own, on a Postgres that ends with the tests"
        );
    }
    let mut results = Results::of(&suites, !global.json);
    let is_stopped = tokio::select! {
        ran = run_all(&global, &args, &suites, &mut results) => ran.map(|()| false)?,
        // The processes of the cases are killed, and their databases go; so does a server that has half started.
        () = shutdown.asked() => true,
    };
    let all = results.finish();
    if global.json {
        outln!("{}", said::as_json(&all));
    } else {
        outln!("\n{}", said::sum(&all));
    }
    if let Some(path) = &args.junit {
        junit::write(path, &all)?;
    }
    if is_stopped {
        errln!("Stopped before every case had ended.");
        return Ok(Exit::Stopped);
    }
    let has_passed = said::count(&all, Verdict::Passed) == all.len();
    Ok(if has_passed { Exit::Done } else { Exit::Failed })
}

/// All that is to be run; or every mistake of every file.
fn suites(app: &App, global: &Global, args: &TestArgs) -> anyhow::Result<Vec<Suite>> {
    let (mut suites, mut wrong) = (Vec::new(), Vec::new());
    for path in test_files(global, &args.files)? {
        match Suite::read(app, global, &path) {
            Ok(suite) => suites.push(suite),
            Err(mistakes) => wrong.push(mistakes),
        }
    }
    if !wrong.is_empty() {
        anyhow::bail!("test files have mistakes, and nothing was run\n\n{}", wrong.join("\n\n"));
    }
    let names: Vec<String> = suites.iter().flat_map(Suite::names).collect();
    if let Some(filter) = &args.filter {
        for suite in &mut suites {
            let workflow = suite.workflow.name.to_string();
            suite.file.cases.retain(|case| full_name(&workflow, &case.name.text).contains(filter.as_str()));
        }
        suites.retain(|suite| !suite.file.cases.is_empty());
    }
    if suites.is_empty() {
        let filter = args.filter.as_deref().unwrap_or_default();
        anyhow::bail!("no case has a name that contains `{}`. There are: {}", quoted(filter), names.join(", "));
    }
    Ok(suites)
}

/// Runs the cases side by side, and keeps what became of each.
async fn run_all(global: &Global, args: &TestArgs, suites: &[Suite], results: &mut Results) -> anyhow::Result<()> {
    let folder = ThrowawayFolder::make()?;
    drop(TestDatabase::first_on(database::programs(global)?).await?);
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let side_by_side = args.jobs.map_or(processors, |jobs| jobs as usize);
    let cases = suites.iter().flat_map(|suite| suite.file.cases.iter().map(move |case| (suite, case)));
    let runs = cases.enumerate().map(|(at, (suite, case))| {
        let folder = folder.path();
        async move {
            let begun = Instant::now();
            // One that has no database is no reason to drop what became of the others.
            let report = judged(global, folder, suite, case).await;
            (at, begun.elapsed(), report.unwrap_or_else(|error| CaseReport::broken(format!("{error:#}"))))
        }
    });
    let mut running = stream::iter(runs).buffer_unordered(side_by_side);
    while let Some((at, took, report)) = running.next().await {
        results.put(at, took, report);
    }
    Ok(())
}

async fn judged(global: &Global, folder: &Path, suite: &Suite, case: &Case) -> anyhow::Result<CaseReport> {
    let database = TestDatabase::new().await?;
    // What programs run as may be another user.
    let open = std::fs::Permissions::from_mode(0o711);
    let folder = tempfile::Builder::new().prefix("case-").permissions(open).tempdir_in(folder);
    let folder = folder.context("cannot make a folder for the case")?;
    case::run_in_process(global, &suite.path, case, database.url(), folder.path()).await
}
