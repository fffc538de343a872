//! `piton retry-policy simulate`: tries a changed workflow file on the failures on record.

mod report;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::slice;
use std::time::Duration;

use anyhow::bail;

use self::report::{Changed, Report};
use super::args::{Global, RetryPolicyArgs};
use super::database::Database;
use super::exit::Exit;
use super::files;
use crate::cli::output::{Coloured, out, outln};
use crate::config;
use crate::model::failure::FailureClass;
use crate::model::id::VersionId;
use crate::model::replay::{Failed, JobEnd, Replay, replay};
use crate::model::retry::RetryPolicy;
use crate::store::Store;
use crate::store::failures::FailureRow;
use crate::workflow::definition::Workflow;
use crate::workflow::retry_rules::RetryRules;

/// Failures that are looked at.
const MOST: i64 = 200_000;

pub(crate) async fn retry_policy(global: Global, action: RetryPolicyArgs) -> anyhow::Result<Exit> {
    let RetryPolicyArgs::Simulate { file, since } = action;
    let changed = parse(file)?;
    let database = Database::open(&global).await?;
    let rows = database.store.failures(changed.name.as_str(), since.as_secs_f64(), MOST).await?;
    let stages = stage_names(&database.store, &rows).await?;
    database.close().await;
    let report = simulate(&changed, &rows, &stages);
    if global.json {
        outln!("{}", serde_json::to_string(&report)?);
    } else {
        out!("{report}");
    }
    Ok(Exit::Done)
}

fn parse(file: PathBuf) -> anyhow::Result<Workflow> {
    let Some(read) = files::read_those(slice::from_ref(&file))?.pop() else {
        bail!("{} is a folder without a workflow file; name the changed file", file.display());
    };
    read.parsed.map_err(|mistakes| {
        let (shown, program, file) =
            (mistakes.render(std::io::stderr().is_terminal()), config::program(), file.display());
        Coloured(format!("the file has mistakes\n\n{shown}\nSee them again with:  {program} workflows check {file}"))
            .into()
    })
}

/// Stages by version and number: another version may count them otherwise.
type StageNames = BTreeMap<(VersionId, i16), String>;

async fn stage_names(store: &Store, rows: &[FailureRow]) -> anyhow::Result<StageNames> {
    let mut names = StageNames::new();
    for version in rows.iter().map(|row| row.version) {
        if names.keys().any(|(known, _)| *known == version) {
            continue;
        }
        let (_, workflow) = store.workflow_version(version).await?;
        for (number, stage) in (0i16..).zip(&workflow.stages) {
            names.insert((version, number), stage.name.to_string());
        }
    }
    Ok(names)
}

fn simulate(changed: &Workflow, rows: &[FailureRow], names: &StageNames) -> Report {
    let policies: BTreeMap<&str, RetryPolicy> =
        changed.stages.iter().map(|s| (s.name.as_str(), RetryRules::policy(&changed.retry, &s.retry))).collect();
    let mut report = Report::new(changed.name.as_str());
    let jobs = rows.chunk_by(|a, b| (a.run, a.stage, a.item) == (b.run, b.stage, b.item));
    // Behind a dead letter that was retried, the job had a new budget.
    for life in jobs.flat_map(|job| job.split_inclusive(|row| row.given_up)) {
        let (Some(first), Some(last)) = (life.first(), life.last()) else { continue };
        let stage = names.get(&(last.version, last.stage)).map_or("?", String::as_str);
        let Some(policy) = policies.get(stage) else {
            report.without_stage += 1;
            continue;
        };
        let failures: Vec<Failed> = life.iter().filter_map(|row| failed(row, first)).collect();
        let Some(class) = failures.last().map(|failed| failed.class) else { continue };
        let end = end_of(last);
        let line = report.line(stage, class);
        line.count(&failures, end);
        let changed = match replay(policy, &failures, end) {
            Replay::Same => continue,
            Replay::GoesOn { more } => {
                line.goes_on(more);
                Changed { more_attempts: Some(more), fewer_attempts: None }
            }
            Replay::GivenUp { earlier } => {
                // The attempt that went well would not have been made either.
                let fewer = earlier + u32::from(end == JobEnd::Done);
                line.given_up(fewer, end);
                Changed { more_attempts: None, fewer_attempts: Some(fewer) }
            }
        };
        report.job(last, stage, class, end, changed);
    }
    report.estimate();
    report
}

fn failed(row: &FailureRow, first: &FailureRow) -> Option<Failed> {
    let since_first = (row.ended_at - first.started_at).to_std().unwrap_or(Duration::ZERO);
    Some(Failed { class: FailureClass::from_word(&row.class)?, since_first })
}

fn end_of(last: &FailureRow) -> JobEnd {
    match (last.given_up, last.done) {
        (true, _) => JobEnd::Dead,
        (false, true) => JobEnd::Done,
        (false, false) => JobEnd::Open,
    }
}
