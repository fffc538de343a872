//! The workflow of a campaign: a list, a stage for each of its items beside stages of other kinds, a join, and a schedule.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fate::{self, Stumble};
use crate::model::failure::{Failure, FailureClass};
use crate::stage::context::StageContext;
use crate::stage::handler::Input;
use crate::stage::own_rows::Committed;
use crate::store::chaos_rows::note_total;

pub(crate) const NAME: &str = "chaos";
/// The workflow whose runs its stage `child` starts.
pub(crate) const CHILD: &str = "chaos-child";
/// What a run keeps of itself, under that name.
pub(crate) const DRAWN: &str = "drawn.txt";
/// Set for every process of a campaign, and in every program its stages start.
pub(crate) const MARK: &str = "CHAOS_OF_PITON";
/// Names the program of the stages `load` and `warm`: this one.
pub(crate) const PROGRAM: &str = "CHAOS_PROGRAM";
/// Steps that the stage `steps` remembers.
pub(crate) const STEPS: usize = 3;
/// How long `nap` sleeps.
pub(crate) const NAP: Duration = Duration::from_millis(300);
/// How long `approval` waits for its signal, and `ask` for its service.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// With fewer items than that, `some` is skipped.
pub(crate) const SOME_FROM: u32 = 4;
/// Rounds that `draft` takes.
pub(crate) const ROUNDS: u32 = 2;
/// The schedule, which starts runs every two seconds.
pub(crate) const SCHEDULE: &str = "tick";

/// Waits are short, so that retries are spent within the campaign; how many there are is as ever.
pub(crate) const FILE: &str = r#"
name = "chaos"
description = "The runs of a crash campaign."

[retry]
network_timeout = { base = "50ms", cap = "400ms" }
rate_limited = { base = "50ms", cap = "400ms" }
resource_unavailable = { base = "50ms", cap = "400ms" }
out_of_memory = { base = "50ms", cap = "400ms" }
unknown = { base = "50ms", cap = "400ms" }

[stages.list]
rust = "chaos-list"
timeout = "8s"

[stages.part]
rust = "chaos-part"
needs = ["list"]
for_each = "list.items"
timeout = "4s"

[stages.steps]
rust = "chaos-steps"
needs = ["list"]
timeout = "4s"
concurrency = 8
per_worker = 3

[stages.program]
command = ["sh", "-c", 'sleep 0.2; printf "{\"attempt\":%s,\"run\":\"%s\",\"given\":%s}" "$PITON_ATTEMPT" "$PITON_RUN" "$(cat)"']
needs = ["list"]
pass_env = ["CHAOS_OF_PITON"]

[stages.total]
rust = "chaos-total"
needs = ["part", "steps", "program", "load", "look", "warm", "nap", "approval", "some?", "spare?", "ask", "child", "draft"]
timeout = "4s"
rate = "200/1s"

[stages.load]
command = ["${CHAOS_PROGRAM}", "chaos-load"]
needs = ["list"]
pass_env = ["DATABASE_URL", "CHAOS_OF_PITON"]
finish = true
timeout = "20s"

[stages.draw]
command = ["sh", "-c", 'yes "$PITON_ATTEMPT of $PITON_RUN" | head -n 2000 > "$1"; sleep 0.1', "draw", "{{out:some/picture.txt}}"]
needs = ["list"]
pass_env = ["CHAOS_OF_PITON"]

[stages.look]
command = ["sh", "-c", 'sleep 0.1; printf "{\"attempt\":%s,\"seen\":\"%s\"}" "$PITON_ATTEMPT" "$(sha256sum < "$1" | cut -c 1-64)"', "look", "{{file:draw/some/picture.txt}}"]
needs = ["draw"]
pass_env = ["CHAOS_OF_PITON"]

[stages.warm]
command = ["${CHAOS_PROGRAM}", "__chaos-warm"]
warm = { processes = 2, max_jobs = 20 }
needs = ["list"]
timeout = "4s"
pass_env = ["CHAOS_OF_PITON"]

[stages.nap]
needs = ["list"]
sleep = "300ms"

[stages.approval]
needs = ["list"]
wait = { for = "signal", name = "approval", timeout = "3s", on_timeout = { by = 0 } }

[stages.some]
rust = "chaos-some"
needs = ["list"]
when = "size(list.items) >= 4"
timeout = "4s"

[stages.spare]
rust = "chaos-spare"
needs = ["list"]
optional = true
timeout = "4s"

[stages.ask]
command = ["${CHAOS_PROGRAM}", "chaos-ask"]
needs = ["list"]
pass_env = ["DATABASE_URL", "CHAOS_OF_PITON"]
timeout = "20s"
wait = { for = "callback", timeout = "3s", on_timeout = { by = 0 } }

[stages.child]
workflow = "chaos-child"
needs = ["list"]
input = { seed = "{{input.seed}}" }

[stages.draft]
rust = "chaos-draft"
needs = ["list"]
timeout = "4s"
repeat = { until = "draft.round >= 2", at_most = 3 }

[schedules.tick]
every = "2s"
input = { seed = 2, items = 5 }
overlap = "allow"
missed = "all"
"#;

/// It ends well, at its first or its second attempt.
pub(crate) const CHILD_FILE: &str = r#"
name = "chaos-child"
description = "What runs of a crash campaign start."

[retry]
network_timeout = { base = "50ms", cap = "400ms" }

[stages.leaf]
rust = "chaos-leaf"
timeout = "4s"
"#;

/// A run's input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunInput {
    /// All fates of the run are drawn from it.
    pub(crate) seed: u64,
    /// Items that `list` makes.
    pub(crate) items: u32,
    /// `list` takes so long that it is still at it when Postgres has failed over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) slow: bool,
}

/// Of a `list` that is slow.
const SLOW: Duration = Duration::from_secs(5);

/// The schedule has started it, and not the campaign.
pub(crate) fn is_of_a_tick(input: &str) -> bool {
    #[derive(Deserialize)]
    struct Ticked {
        #[expect(dead_code, reason = "that it is there is what counts")]
        tick: IgnoredAny,
    }
    serde_json::from_str::<Ticked>(input).is_ok()
}

#[derive(Debug, Deserialize)]
pub(crate) struct Run {
    input: RunInput,
}

/// What a stage returns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Output {
    /// The attempt that returned it.
    pub(crate) attempt: u32,
    pub(crate) value: u64,
    /// Of `list`.
    #[serde(default)]
    pub(crate) items: Vec<u32>,
    /// Of `steps`.
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
}

/// What a step remembers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// The run's.
    pub(crate) seed: u64,
    /// The attempt that ran it.
    pub(crate) attempt: u32,
}

/// What the program says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) attempt: u32,
    pub(crate) run: Uuid,
    /// What it was given.
    pub(crate) given: Given,
    /// Of the warm one: the seed that its process had in hand.
    #[serde(default)]
    pub(crate) in_hand: Option<u64>,
}

/// As far as it is of interest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Given {
    pub(crate) input: RunInput,
    pub(crate) list: Output,
}

/// What `nap` comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Slept {
    pub(crate) since: DateTime<Utc>,
    pub(crate) until: DateTime<Utc>,
    pub(crate) woken: bool,
}

/// What a round of `draft` comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Drafted {
    /// The run's.
    pub(crate) seed: u64,
    pub(crate) attempt: u32,
    pub(crate) round: u32,
    /// The round before.
    pub(crate) seen: Option<u32>,
}

/// What `approval` and `ask` come to: the number of the answer, 0 for none in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Approved {
    pub(crate) by: u32,
}

/// What an attempt of `steps` keeps.
pub(crate) fn drawn(seed: u64, attempt: u32) -> String {
    format!("{attempt} of {seed}")
}

/// What an attempt of `draw` makes: some hundred kilobytes.
pub(crate) fn picture(run: Uuid, attempt: u32) -> String {
    format!("{attempt} of {run}\n").repeat(2000)
}

/// What `look` says of the file that it was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Looked {
    pub(crate) attempt: u32,
    /// Its SHA-256.
    pub(crate) seen: String,
}

pub(crate) async fn list(Input(run): Input<Run>, context: StageContext) -> Result<Output, Failure> {
    if run.input.slow {
        tokio::time::sleep(SLOW).await;
    }
    let output = work(run.input.seed, &context).await?;
    Ok(Output { items: (0..run.input.items).collect(), ..output })
}

pub(crate) async fn part(Input(run): Input<Run>, context: StageContext) -> Result<Output, Failure> {
    work(run.input.seed, &context).await
}

pub(crate) async fn some(Input(run): Input<Run>, context: StageContext) -> Result<Output, Failure> {
    work(run.input.seed, &context).await
}

pub(crate) async fn spare(Input(run): Input<Run>, context: StageContext) -> Result<Output, Failure> {
    work(run.input.seed, &context).await
}

#[derive(Debug, Deserialize)]
pub(crate) struct Seeded {
    seed: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChildRun {
    input: Seeded,
}

/// The only stage of a child.
pub(crate) async fn leaf(Input(run): Input<ChildRun>, context: StageContext) -> Result<Output, Failure> {
    let seed = run.input.seed;
    tokio::time::sleep(Duration::from_millis(50)).await;
    if seed.is_multiple_of(4) && context.attempt() == 1 {
        return Err(Failure::new(FailureClass::NetworkTimeout, "as the campaign wants it"));
    }
    let value = fate::of(seed, "leaf", None).value;
    Ok(Output { attempt: context.attempt(), value, items: Vec::new(), steps: Vec::new() })
}

#[derive(Debug, Deserialize)]
pub(crate) struct Before {
    draft: Drafted,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Drafting {
    input: RunInput,
    previous: Option<Before>,
}

/// Says which round it is, and which one it has seen.
pub(crate) async fn draft(Input(given): Input<Drafting>, context: StageContext) -> Result<Drafted, Failure> {
    tokio::time::sleep(Duration::from_millis(30)).await;
    let (seed, round) = (given.input.seed, context.round().unwrap_or_default());
    Ok(Drafted { seed, attempt: context.attempt(), round, seen: given.previous.map(|before| before.draft.round) })
}

pub(crate) async fn steps(Input(run): Input<Run>, context: StageContext) -> Result<Output, Failure> {
    let mut ran = Vec::with_capacity(STEPS);
    for number in 0..STEPS {
        let name = format!("step-{number}");
        let step = context.step(&name, async || {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok::<Step, Failure>(Step { seed: run.input.seed, attempt: context.attempt() })
        });
        ran.push(step.await?);
    }
    // Whatever becomes of it, it is visible with this attempt's checkpoint and with no other.
    context.put_bytes(DRAWN, drawn(run.input.seed, context.attempt())).await?;
    Ok(Output { steps: ran, ..work(run.input.seed, &context).await? })
}

#[derive(Debug, Deserialize)]
pub(crate) struct Ending {
    input: RunInput,
    part: Vec<Output>,
    steps: Output,
    /// None where it was skipped.
    some: Option<Output>,
    /// None where it was given up.
    spare: Option<Output>,
}

/// Sums up what came before it, and notes in a row of its own that it did.
pub(crate) async fn total(Input(ending): Input<Ending>, context: StageContext) -> Result<Committed<Output>, Failure> {
    let output = work(ending.input.seed, &context).await?;
    let before: u64 = ending.part.iter().map(|part| part.value).sum();
    let perhaps = |output: Option<Output>| output.map_or(0, |output| output.value);
    let value = output.value + before + ending.steps.value + perhaps(ending.some) + perhaps(ending.spare);
    context
        .commit(async |mut tx| {
            note_total(&mut tx, context.run(), context.attempt()).await?;
            Ok(Output { value, ..output.clone() })
        })
        .await
}

/// Takes its time, and meets its fate.
async fn work(seed: u64, context: &StageContext) -> Result<Output, Failure> {
    let job = fate::of(seed, context.stage(), context.item());
    tokio::time::sleep(job.takes / 2).await;
    if let Some(stumble) = job.fate.stumble(context.attempt()) {
        meet(stumble).await?;
    }
    tokio::time::sleep(job.takes / 2).await;
    Ok(Output { attempt: context.attempt(), value: job.value, items: Vec::new(), steps: Vec::new() })
}

async fn meet(stumble: Stumble) -> Result<(), Failure> {
    match stumble {
        Stumble::Fails(class) => Err(Failure::new(class, "as the campaign wants it")),
        #[expect(clippy::panic, reason = "the campaign wants it")]
        Stumble::Panics => panic!("as the campaign wants it"),
        Stumble::Hangs => std::future::pending().await,
        Stumble::Aborts => std::process::abort(),
    }
}

/// Retries of a class, as the file leaves them.
pub(crate) fn retries(class: FailureClass) -> u32 {
    crate::model::retry::RetryPolicy::default().class(class).max_retries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::definition::Workflow;
    use crate::workflow::limits::Limits;

    #[test]
    fn the_workflow_is_without_mistakes() {
        let workflow = Workflow::parse("chaos.toml", FILE.as_bytes(), &Limits::default()).expect("no mistakes");
        assert_eq!(workflow.name.as_str(), NAME);
        let child = Workflow::parse("child.toml", CHILD_FILE.as_bytes(), &Limits::default()).expect("no mistakes");
        assert_eq!(child.name.as_str(), CHILD);
    }
}
