//! `piton bench`: measures in databases of its own, so that nobody's runs are touched.

pub(crate) mod args;
mod database;
mod progress;
mod worker;

use std::path::Path;

use anyhow::{Context, bail};

use super::args::Global;
use super::database::Database;
use super::exit::Exit;
use crate::bench::case::Case;
use crate::bench::machine::Machine;
use crate::bench::numbers::counted;
use crate::bench::proof::{Expected, Proof};
use crate::bench::result::{Measured, Report};
use crate::bench::{BenchError, Teller, compare, measure, prove};
use crate::bounded;
use crate::cli::output::{errln, outln};
use crate::model::payload::PayloadLimits;
use crate::store::migrate::LOCK_WAIT;
use crate::worker::Shutdown;
use args::BenchArgs;
use database::BenchDatabase;
use progress::{Bar, Lines, Silent};
pub(crate) use worker::worker;

pub(crate) async fn bench(global: Global, args: BenchArgs) -> anyhow::Result<Exit> {
    let shutdown = Shutdown::on_signals()?;
    let cases = args.cases()?;
    if let Some(reason) = cases.iter().find_map(|case| case.over_limits(&PayloadLimits::default())) {
        bail!("{reason}");
    }
    // A file that cannot be read is said before minutes are spent.
    let earlier = args.compare.as_deref().map(read).transpose()?;
    let server = Database::connect(&global).await?;
    if server.store.is_pooled() {
        bail!(
            "a bench makes a database of its own, which a pooler in transaction mode does not; give it the server itself"
        );
    }
    let done = match &args.prove {
        Some(name) => prove(&global, &server, name).await,
        None => measure_all(&global, &args, &server, &cases, earlier.as_ref(), &shutdown).await,
    };
    server.close().await;
    done
}

async fn measure_all(
    global: &Global,
    args: &BenchArgs,
    server: &Database,
    cases: &[Case],
    earlier: Option<&Report>,
    shutdown: &Shutdown,
) -> anyhow::Result<Exit> {
    let teller = teller(global);
    let (mut machine, mut results) = (None, Vec::new());
    for case in cases {
        let bench = BenchDatabase::make(global, server).await?;
        let measured = tokio::select! {
            measured = in_database(global, case, &bench, teller.as_ref()) => measured.map(Some),
            () = shutdown.asked() => Ok(None),
        };
        teller.end();
        let left = bench.leave(global, server, args.keep).await;
        // Why there are no figures is the error, whatever else went wrong.
        if let (Err(_), Err(error)) = (&measured, &left) {
            errln!("warning: {error:#}");
        }
        let measured = measured?;
        left?;
        let Some((measured, on)) = measured else {
            errln!("Stopped; nothing was measured.");
            return Ok(Exit::Stopped);
        };
        if !global.json {
            say(&measured, earlier);
        }
        machine.get_or_insert(on);
        results.push(measured);
    }
    let Some(machine) = machine else { return Ok(Exit::Done) };
    let report = Report { piton: env!("CARGO_PKG_VERSION").to_owned(), machine, results };
    if global.json {
        outln!("{}", serde_json::to_string(&report)?);
    }
    if let Some(file) = &args.write {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(Exit::Done)
}

async fn in_database(
    global: &Global,
    case: &Case,
    bench: &BenchDatabase,
    teller: &dyn Teller,
) -> anyhow::Result<(Measured, Machine)> {
    bench.target.store.migrate(LOCK_WAIT).await?;
    let machine = Machine::of(bench.target.observer.server().await?);
    let workers = (1..=case.workers).map(|number| worker::command(global, case, bench.url(), number));
    let workers = workers.collect::<Result<Vec<_>, _>>()?;
    Ok((measure::measure(case, &bench.target, workers, teller).await?, machine))
}

/// `bench --prove`.
async fn prove(global: &Global, server: &Database, name: &str) -> anyhow::Result<Exit> {
    let bench = BenchDatabase::at(global, server, name)?;
    let proof = prove::prove(&bench.target.observer, Expected { runs: None, all_done: false }).await;
    bench.close().await;
    let proof = match proof {
        Ok(proof) => proof,
        Err(wrong @ BenchError::Unproved(_)) => bail!("{wrong}"),
        Err(error) => bail!("cannot look into {name}; give the name of a database that --keep kept ({error})"),
    };
    if global.json {
        outln!("{}", serde_json::to_string(&proof)?);
    } else {
        outln!("{}", proved(&proof));
    }
    Ok(Exit::Done)
}

fn read(file: &Path) -> anyhow::Result<Report> {
    let text = bounded::text(file, bounded::SETTINGS).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!("{} is no report of this version's bench; write one with --write FILE", file.display())
    })
}

fn teller(global: &Global) -> Box<dyn Teller> {
    use std::io::IsTerminal;
    match std::io::stderr().is_terminal() {
        _ if global.json => Box::new(Silent),
        true => Box::new(Bar::new()),
        false => Box::new(Lines::default()),
    }
}

fn say(measured: &Measured, earlier: Option<&Report>) {
    outln!("{}", measured.title());
    let old = earlier.and_then(|report| compare::matching(report, measured));
    for line in compare::lines(measured, old) {
        outln!("{line}");
    }
    match (earlier, old) {
        (Some(_), None) => outln!("  nothing to compare with: the file has no such measure"),
        (_, Some(old)) if old.title() != measured.title() => outln!("  compared with {}", old.title()),
        (_, Some(_) | None) => {}
    }
    outln!("  {}", proved(&measured.proof));
}

fn proved(proof: &Proof) -> String {
    let waiting = match proof.runs_waiting {
        0 => String::new(),
        n => format!(", {} waiting with one job each", counted(n, "run")),
    };
    format!(
        "proved: {} done{waiting}; {}, each stage and item once and none more; no job or join left over; attempts \
         without holes",
        counted(proof.runs_done, "run"),
        counted(proof.checkpoints, "checkpoint")
    )
}
