//! Throughput of workflows, in JSON and in words.

use chrono::TimeDelta;
use serde::Serialize;

use crate::store::throughput::{Outlook, StageFlow};
use crate::store::{Store, StoreError};
use crate::view::when;

/// Every workflow that is at work or has something to do, and each of its stages.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct Throughput {
    /// Those with the most work left first.
    pub(crate) workflows: Vec<Outlook>,
    pub(crate) stages: Vec<StageFlow>,
}

impl Throughput {
    /// Of one workflow, or of all.
    pub(crate) async fn read(store: &Store, workflow: Option<&str>) -> Result<Throughput, StoreError> {
        Ok(Throughput { workflows: store.outlook(workflow).await?, stages: store.stage_flow(workflow).await? })
    }
}

/// One workflow in a few lines, the first one with its name.
pub(crate) fn summary(outlook: &Outlook) -> Vec<String> {
    let Outlook { workflow, waiting, running, to_come, .. } = outlook;
    let before = outlook
        .done_per_minute_before
        .map_or_else(String::new, |before| format!(" ({} in the ten minutes before)", rate(before)));
    let about = if outlook.is_estimate { "about " } else { "" };
    let mut lines = vec![
        format!("{workflow}: {} jobs done per minute{before}", rate(outlook.done_per_minute)),
        format!("{about}{waiting} waiting, {running} running, {to_come} in later stages"),
    ];
    if waiting + running + to_come > 0 {
        lines.push(format!("work left: {}{}", seconds(outlook.work_left_seconds), trend(outlook)));
        lines.push(match (outlook.empty_seconds, &outlook.why_not_empty) {
            (Some(left), None) => format!("empty in about {} at this rate", seconds(left)),
            (_, why) => {
                let why = why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
                format!("does not empty at this rate{why}")
            }
        });
    }
    lines.extend(bottleneck(outlook));
    match outlook.blocked_runs {
        0 => {}
        1 => lines.push("1 run is blocked by dead letters, and what is behind them is not counted".to_owned()),
        runs => lines.push(format!("{runs} runs are blocked by dead letters, and what is behind them is not counted")),
    }
    lines
}

/// The same in one line, without what waits.
pub(crate) fn line(outlook: &Outlook) -> String {
    let mut parts = summary(outlook);
    parts.remove(1);
    parts.join("; ")
}

fn trend(outlook: &Outlook) -> String {
    let Some(before) = outlook.work_left_seconds_before else { return String::new() };
    let word = match outlook.trend.as_str() {
        "better" | "worse" => format!("{} than", outlook.trend),
        _ => "the same as".to_owned(),
    };
    format!(", {word} ten minutes ago ({})", seconds(before))
}

fn bottleneck(outlook: &Outlook) -> Option<String> {
    let stage = outlook.bottleneck.as_ref()?;
    let why = held_by(outlook)?;
    Some(format!("bottleneck: {stage} ({why})"))
}

/// Why the bottleneck is one.
pub(crate) fn held_by(outlook: &Outlook) -> Option<&'static str> {
    outlook.bottleneck.as_ref()?;
    Some(match outlook.bottleneck_hold.as_deref() {
        Some("paused") => "it is paused",
        Some("limit") => "its limit",
        Some("stuck") => "its jobs wait, and none has begun in ten minutes",
        _ => "most of the work is there",
    })
}

/// A number of jobs per minute.
pub(crate) fn rate(per_minute: f64) -> String {
    if per_minute > 0.0 && per_minute < 10.0 { format!("{per_minute:.1}") } else { format!("{per_minute:.0}") }
}

/// A span of so many seconds.
pub(crate) fn seconds(seconds: f64) -> String {
    // No span that anybody waits for is cut off by that.
    when::span(TimeDelta::milliseconds((seconds * 1000.0).min(1e15) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlook() -> Outlook {
        Outlook {
            workflow: "story".to_owned(),
            done_per_minute: 42.4,
            done_per_minute_before: Some(7.25),
            waiting: 120,
            running: 8,
            to_come: 300,
            work_left_seconds: 4800.0,
            work_left_seconds_before: Some(6300.0),
            trend: "better".to_owned(),
            empty_seconds: Some(600.0),
            why_not_empty: None,
            bottleneck: Some("narrate".to_owned()),
            bottleneck_hold: Some("limit".to_owned()),
            slowest_stage: Some("assemble".to_owned()),
            slowest_seconds: Some(30.0),
            longest_queue: Some("narrate".to_owned()),
            is_estimate: false,
            blocked_runs: 2,
        }
    }

    #[test]
    fn a_workflow_that_goes_on_is_told_in_six_lines() {
        insta::assert_snapshot!(summary(&outlook()).join("\n"), @r#"
story: 42 jobs done per minute (7.2 in the ten minutes before)
120 waiting, 8 running, 300 in later stages
work left: 1 h 20 min, better than ten minutes ago (1 h 45 min)
empty in about 10 min at this rate
bottleneck: narrate (its limit)
2 runs are blocked by dead letters, and what is behind them is not counted
"#);
    }

    #[test]
    fn one_that_does_not_empty_is_told_with_the_reason() {
        let stands = Outlook {
            done_per_minute: 0.0,
            done_per_minute_before: None,
            work_left_seconds_before: None,
            trend: "unknown".to_owned(),
            empty_seconds: None,
            why_not_empty: Some("no worker is alive".to_owned()),
            bottleneck_hold: Some("stuck".to_owned()),
            is_estimate: true,
            blocked_runs: 0,
            ..outlook()
        };
        insta::assert_snapshot!(summary(&stands).join("\n"), @"
        story: 0 jobs done per minute
        about 120 waiting, 8 running, 300 in later stages
        work left: 1 h 20 min
        does not empty at this rate: no worker is alive
        bottleneck: narrate (its jobs wait, and none has begun in ten minutes)
        ");
    }

    #[test]
    fn one_that_is_done_says_no_more_than_that() {
        let done = Outlook {
            waiting: 0,
            running: 0,
            to_come: 0,
            work_left_seconds: 0.0,
            trend: "empty".to_owned(),
            bottleneck: None,
            blocked_runs: 0,
            ..outlook()
        };
        insta::assert_snapshot!(summary(&done).join("\n"), @"
        story: 42 jobs done per minute (7.2 in the ten minutes before)
        0 waiting, 0 running, 0 in later stages
        ");
    }
}
