//! `piton throughput`: how much is done and left, how fast it goes, and what holds it up.

use super::args::{Global, ThroughputArgs};
use super::database::Database;
use super::exit::Exit;
use super::files;
use crate::cli::output::outln;
use crate::store::throughput::{Outlook, StageFlow};
use crate::view::throughput::{Throughput, rate, seconds, summary};

pub(crate) async fn throughput(global: Global, args: ThroughputArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let throughput = Throughput::read(&database.store, args.workflow.as_deref()).await?;
    if throughput.workflows.is_empty() {
        files::refuse_unknown(&database.store, args.workflow.as_deref()).await?;
    }
    if global.json {
        outln!("{}", serde_json::to_string(&throughput)?);
    } else {
        say(&throughput);
    }
    database.close().await;
    Ok(Exit::Done)
}

fn say(throughput: &Throughput) {
    if throughput.workflows.is_empty() {
        outln!(
            "Nothing is left to do, and nothing is known to have been done in the last twenty minutes; workers report every 10 s."
        );
    }
    for (at, outlook) in throughput.workflows.iter().enumerate() {
        if at > 0 {
            outln!("");
        }
        say_outlook(outlook);
        let stages: Vec<&StageFlow> =
            throughput.stages.iter().filter(|stage| stage.workflow == outlook.workflow).collect();
        say_stages(&stages);
    }
}

/// A workflow by itself: its name, and what there is to say below it.
fn say_outlook(outlook: &Outlook) {
    for (at, line) in summary(outlook).into_iter().enumerate() {
        outln!("{}{line}", if at == 0 { "" } else { "  " });
    }
}

fn say_stages(stages: &[&StageFlow]) {
    let width = stages.iter().map(|stage| stage.stage.chars().count()).max().unwrap_or(0).max(5);
    let head = ["per minute", "before", "trend", "failing", "takes", "waited", "waiting", "running", "to come", "left"];
    let [a, b, c, d, e, f, g, h, i, j] = head;
    outln!(
        "\n  {:<width$}  {a:>10}  {b:>7}  {c:<7}  {d:>7}  {e:>12}  {f:>12}  {g:>8}  {h:>8}  {i:>8}  {j:>12}",
        "stage"
    );
    for flow in stages {
        let StageFlow { stage, trend, waiting, running, to_come, .. } = flow;
        let (now, before) = (rate(flow.done_per_minute), flow.done_per_minute_before.map_or_else(dash, rate));
        let failing = flow.failing_share.map_or_else(dash, |share| format!("{:.0} %", share * 100.0));
        let takes = flow.mean_seconds.map_or_else(dash, seconds);
        let waited = flow.mean_wait_seconds.map_or_else(dash, seconds);
        let left = seconds(flow.work_left_seconds);
        outln!(
            "  {stage:<width$}  {now:>10}  {before:>7}  {trend:<7}  {failing:>7}  {takes:>12}  {waited:>12}  {waiting:>8}  {running:>8}  {to_come:>8}  {left:>12}"
        );
    }
}

fn dash() -> String {
    "-".to_owned()
}
