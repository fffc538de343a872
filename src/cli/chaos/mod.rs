//! `piton chaos`: injects faults, on a private Postgres of its own.

pub(crate) mod args;
mod load;
mod testbed;
mod worker;

use std::sync::Arc;

use super::args::Global;
use super::exit::Exit;
use super::start;
use crate::app::App;
use crate::chaos::ChaosError;
use crate::chaos::acknowledged::Acknowledged;
use crate::chaos::answers::Answers;
use crate::chaos::campaign::Campaign;
use crate::chaos::offer::{Inputs, Offer};
use crate::chaos::plan::Scope;
use crate::chaos::report::Report;
use crate::chaos::workload;
use crate::cli::output::{errln, out, outln};
use crate::model::payload::PayloadLimits;
use crate::worker::Shutdown;
use args::ChaosArgs;
pub(crate) use load::{ask, load};
use testbed::Testbed;
pub(crate) use worker::worker;

pub(crate) async fn chaos(app: App, global: Global, args: ChaosArgs) -> anyhow::Result<Exit> {
    let shutdown = Shutdown::on_signals()?;
    let scope = args.scope()?;
    if !global.json {
        // First of all, so that it is known whatever comes of it.
        outln!("Chaos with seed {}; play it again with:  {}", scope.seed, again(&args, &scope));
    }
    let testbed = Testbed::make(&global).await?;
    let done = tokio::select! {
        report = campaign(app, &global, &args, scope, &testbed) => report.map(Some),
        () = shutdown.asked() => Ok(None),
    };
    let is_broken = |report: &Report| !report.broken.is_empty();
    let is_of_interest = match &done {
        Ok(report) => report.as_ref().is_some_and(is_broken),
        Err(error) => error.is::<ChaosError>(),
    };
    testbed.leave(args.keep || is_of_interest).await;
    let Some(report) = done? else {
        errln!("Stopped; there is no verdict.");
        return Ok(Exit::Stopped);
    };
    say(&global, &report)?;
    Ok(if is_broken(&report) { Exit::Failed } else { Exit::Done })
}

async fn campaign(
    app: App,
    global: &Global,
    args: &ChaosArgs,
    scope: Scope,
    testbed: &Testbed,
) -> anyhow::Result<Report> {
    let own = args.workflow.is_none();
    let (app, inputs, name) = match &args.workflow {
        None => (worker::own(), Inputs::Drawn(scope.seed), workload::NAME),
        Some(name) => {
            let input = start::read_input(&args.input, PayloadLimits::default().payload_bytes)?;
            (app, Inputs::Given(input), name.as_str())
        }
    };
    let workflows = if own { None } else { global.workflows.clone() };
    let registering = Global { workflows, ..global.clone() };
    if own {
        testbed.register(worker::own(), &registering, workload::CHILD).await?;
    }
    let version = testbed.register(app, &registering, name).await?;
    let offer = Arc::new(Offer {
        version,
        inputs,
        per_s: args.rate,
        length: scope.length,
        store: testbed.store.clone(),
        inspector: testbed.inspector.clone(),
        acknowledged: Acknowledged::default(),
        answers: Answers::new(testbed.inspector.clone()),
    });
    let mark = format!("{}-{}", scope.seed, std::process::id());
    let campaign = Campaign {
        start: worker::start(global, args, own, (&mark, testbed.folder.path()))?,
        offer,
        servers: testbed.servers.clone(),
        inspector: testbed.inspector.clone(),
        logs: testbed.folder.path().to_path_buf(),
        fates_are_known: own,
        mark,
        scope,
    };
    let tell: fn(&str) = if global.json { |_| {} } else { |how_far| errln!("{how_far}") };
    Ok(campaign.run(tell).await?)
}

/// The command that draws the same faults.
fn again(args: &ChaosArgs, scope: &Scope) -> String {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let seed = if args.seed.is_some() { String::new() } else { format!(" --seed {}", scope.seed) };
    format!("{} {}{seed}", crate::config::program(), given.join(" "))
}

fn say(global: &Global, report: &Report) -> anyhow::Result<()> {
    if global.json {
        outln!("{}", serde_json::to_string(report)?);
    } else {
        out!("{report}");
    }
    Ok(())
}
