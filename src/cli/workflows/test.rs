//! `piton workflows test`: the cases of test files, each a real run in a database of its own.

pub(in crate::cli) mod args;
mod case;
mod junit;
mod said;
mod suite;

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use anyhow::Context;
use futures_util::stream::{self, StreamExt};

use self::args::TestArgs;
pub(crate) use self::case::case;
use self::said::{Judged, full_name, say};
use self::suite::{Suite, test_files};
use crate::app::App;
use crate::cli::args::Global;
use crate::cli::database;
use crate::cli::exit::Exit;
use crate::cli::output::{errln, outln};
use crate::testing::TestDatabase;
use crate::testing::cases::report::{CaseReport, Verdict};
use crate::worker::Shutdown;
use crate::workflow::cases::Case;

/// Ends with 0 where every case passed, 1 where one did not, and 2 where there is nothing to run, or a file has mistakes.
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
    // Whatever signal comes meanwhile: a server that has half started would be left behind.
    let first = TestDatabase::first_on(database::programs(&global)?).await;
    drop(first.context("cannot make a database for the tests")?);
    let ran = tokio::select! {
        ran = run_all(&global, &args, &suites) => Some(ran),
        // The processes of the cases are killed, and their databases go.
        () = shutdown.asked() => None,
    };
    let Some(ran) = ran else {
        errln!("Stopped before all cases were through.");
        return Ok(Exit::Stopped);
    };
    let all = ran?;
    if let Some(path) = &args.junit {
        junit::write(path, &all)?;
    }
    if global.json {
        outln!("{}", said::as_json(&all));
    } else {
        outln!("\n{}", said::sum(&all));
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
    if let Some(filter) = &args.filter {
        for suite in &mut suites {
            let workflow = suite.workflow.name.to_string();
            suite.file.cases.retain(|case| full_name(&workflow, &case.name.text).contains(filter.as_str()));
        }
        suites.retain(|suite| !suite.file.cases.is_empty());
    }
    if suites.is_empty() {
        anyhow::bail!("no case has a name that holds `{}`", args.filter.as_deref().unwrap_or_default());
    }
    Ok(suites)
}

/// Runs the cases side by side, and says of each what became of it, in their order.
async fn run_all(global: &Global, args: &TestArgs, suites: &[Suite]) -> anyhow::Result<Vec<Judged>> {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let side_by_side = args.jobs.map_or(processors, |jobs| jobs as usize);
    let cases = suites.iter().flat_map(|suite| suite.file.cases.iter().map(move |case| (suite, case)));
    let runs = cases.map(|(suite, case)| judged(global, suite, case));
    let mut running = stream::iter(runs).buffered(side_by_side);
    let mut all = Vec::new();
    while let Some(judged) = running.next().await {
        let judged = judged?;
        if !global.json {
            say(&judged);
        }
        all.push(judged);
    }
    Ok(all)
}

async fn judged(global: &Global, suite: &Suite, case: &Case) -> anyhow::Result<Judged> {
    let database = TestDatabase::new().await.context("cannot make the database of a case")?;
    let begun = Instant::now();
    // What programs run as may be another user.
    let open = std::fs::Permissions::from_mode(0o711);
    let folder = tempfile::Builder::new().prefix("piton-test-").permissions(open).tempdir();
    let folder = folder.context("cannot make a folder for a case")?;
    let report = case::run_in_process(global, &suite.path, case, database.url(), folder.path()).await;
    let report = report.unwrap_or_else(|error| CaseReport::broken(format!("{error:#}")));
    Ok(Judged {
        workflow: suite.workflow.name.to_string(),
        case: case.name.text.clone(),
        file: suite.path.display().to_string(),
        took: begun.elapsed(),
        report,
    })
}
