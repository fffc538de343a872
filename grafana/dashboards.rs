//! Writes the dashboards: `cargo run --example dashboards`. A panel is a line or two here and sixty in Grafana's JSON, and what
//! all panels share stands once. A test holds the files against this.

use serde_json::{Value, json};

/// File names and their dashboards.
pub(crate) fn all() -> [(&'static str, Value); 4] {
    [("overview.json", overview()), ("workflow.json", workflow()), ("workers.json", workers()), ("runs.json", runs())]
}

/// A dashboard as Grafana reads it.
pub(crate) fn text(dashboard: &Value) -> String {
    format!("{dashboard:#}\n")
}

#[allow(dead_code, reason = "the test that includes this file only compares")]
fn main() -> std::io::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/dashboards");
    all().iter().try_for_each(|(file, dashboard)| std::fs::write(folder.join(file), text(dashboard)))
}

/// Values from which on a colour counts; the first colour is that of all below.
type Steps = &'static [(Option<f64>, &'static str)];

const PLAIN: Steps = &[(None, "green")];
const RED_FROM_ONE: Steps = &[(None, "green"), (Some(1.0), "red")];
const ORANGE_FROM_ONE: Steps = &[(None, "green"), (Some(1.0), "orange")];
const NONE_IS_RED: Steps = &[(None, "red"), (Some(1.0), "green")];
// As the alerts have them.
const OLDEST_READY: Steps = &[(None, "green"), (Some(300.0), "orange"), (Some(1800.0), "red")];
const STALE: Steps = &[(None, "green"), (Some(120.0), "red")];
const HELD: Steps = &[(None, "transparent"), (Some(1800.0), "red")];
const STATUS: Steps = &[(None, "transparent"), (Some(1.0), "orange"), (Some(2.0), "red")];
const LIMIT: Steps = &[(None, "transparent"), (Some(1.0), "red")];

/// An expression, and how its series are called.
type Query = (&'static str, &'static str);

/// How a picture of lines looks.
#[derive(Clone, Copy)]
struct Look {
    unit: &'static str,
    stacked: bool,
    steps: Option<Steps>,
    /// What is said where there is nothing.
    empty: &'static str,
}

const LINES: Look = Look { unit: "short", stacked: false, steps: None, empty: "nothing yet" };
const STACK: Look = Look { stacked: true, ..LINES };
const RATES: Look = Look { unit: "ops", ..LINES };
const STACKED_RATES: Look = Look { unit: "ops", ..STACK };
const TIMES: Look = Look { unit: "s", ..LINES };
const BYTES: Look = Look { unit: "bytes", ..LINES };

/// Panels from left to right and from top to bottom.
struct Board {
    panels: Vec<Value>,
    x: u32,
    y: u32,
    height: u32,
}

impl Board {
    fn new() -> Board {
        Board { panels: Vec::new(), x: 0, y: 0, height: 0 }
    }

    fn put(&mut self, mut panel: Value, width: u32, height: u32) {
        if self.x + width > 24 {
            (self.x, self.y, self.height) = (0, self.y + self.height, 0);
        }
        panel["id"] = json!(self.panels.len() + 1);
        panel["gridPos"] = json!({"x": self.x, "y": self.y, "w": width, "h": height});
        (self.x, self.height) = (self.x + width, self.height.max(height));
        self.panels.push(panel);
    }

    fn row(mut self, title: &str) -> Board {
        self.put(json!({"type": "row", "title": title, "collapsed": false, "panels": []}), 24, 1);
        self
    }

    /// One number, on its colour.
    fn stat(mut self, title: &str, description: &str, expr: &str, unit: &str, steps: Steps) -> Board {
        let panel = json!({
            "type": "stat", "title": title, "description": description, "datasource": prometheus(),
            "targets": [{"refId": "A", "datasource": prometheus(), "expr": expr, "instant": true, "range": false}],
            "fieldConfig": {"overrides": [], "defaults": {
                "unit": unit, "decimals": 0, "noValue": "no worker tells", "thresholds": thresholds(steps),
            }},
            "options": {
                "colorMode": "background", "graphMode": "none", "justifyMode": "auto", "orientation": "auto",
                "percentChangeColorMode": "standard", "reduceOptions": {"calcs": ["lastNotNull"], "values": false},
                "showPercentChange": false, "textMode": "auto", "wideLayout": true,
            },
        });
        self.put(panel, 4, 4);
        self
    }

    /// Lines over time.
    fn lines(mut self, title: &str, description: &str, look: Look, queries: &[Query]) -> Board {
        let target = |(at, (expr, legend)): (usize, &Query)| {
            let letter = char::from(b'A' + u8::try_from(at).unwrap_or_default());
            json!({"refId": letter, "datasource": prometheus(), "expr": expr, "legendFormat": legend})
        };
        let mut custom = json!({"drawStyle": "line", "showPoints": "never", "fillOpacity": 5});
        if look.stacked {
            custom["fillOpacity"] = json!(20);
            custom["stacking"] = json!({"mode": "normal"});
        }
        let mut defaults = json!({"unit": look.unit, "min": 0, "noValue": look.empty});
        if let Some(steps) = look.steps {
            custom["thresholdsStyle"] = json!({"mode": "line"});
            defaults["thresholds"] = thresholds(steps);
        }
        defaults["custom"] = custom;
        let panel = json!({
            "type": "timeseries", "title": title, "description": description, "datasource": prometheus(),
            "targets": queries.iter().enumerate().map(target).collect::<Vec<_>>(),
            "fieldConfig": {"overrides": [], "defaults": defaults},
            "options": {
                "legend": {"displayMode": "table", "placement": "right", "showLegend": true, "calcs": ["lastNotNull", "max"]},
                "tooltip": {"mode": "multi", "sort": "desc"},
            },
        });
        self.put(panel, 12, 8);
        self
    }

    /// The answer of a SQL statement. A column `run` leads to the story of the run, and one `seconds` is a time.
    fn table(mut self, title: &str, description: &str, empty: &str, width: u32, sql: &str) -> Board {
        let story = json!([{"title": "Story of this run", "url": "/d/piton-runs?var-run=${__value.raw}"}]);
        let overrides = json!([
            {"matcher": {"id": "byName", "options": "run"}, "properties": [{"id": "links", "value": story}]},
            {"matcher": {"id": "byName", "options": "seconds"}, "properties": [{"id": "unit", "value": "s"}]},
        ]);
        let panel = json!({
            "type": "table", "title": title, "description": description, "datasource": postgres(),
            "targets": [{"refId": "A", "datasource": postgres(), "format": "table", "rawQuery": true, "rawSql": sql}],
            "fieldConfig": {"overrides": overrides, "defaults": {"noValue": empty}},
            "options": {"frameIndex": 0, "showHeader": true},
        });
        self.put(panel, width, 9);
        self
    }

    fn dashboard(self, uid: &str, title: &str, description: &str, variables: &[Value]) -> Value {
        json!({
            "uid": uid, "title": title, "description": description, "tags": ["piton"], "editable": true,
            "graphTooltip": 1, "schemaVersion": 39, "refresh": "30s", "time": {"from": "now-1h", "to": "now"},
            "links": [{
                "title": "Piton", "type": "dashboards", "icon": "external link", "tooltip": "The other dashboards of Piton.",
                "tags": ["piton"], "asDropdown": true, "keepTime": true, "includeVars": false, "targetBlank": false,
            }],
            "templating": {"list": variables}, "panels": self.panels,
        })
    }
}

fn prometheus() -> Value {
    json!({"type": "prometheus", "uid": "${prometheus}"})
}

fn postgres() -> Value {
    json!({"type": "grafana-postgresql-datasource", "uid": "${postgres}"})
}

/// Which datasource the panels ask; the provisioned one, until another is chosen.
fn datasource(name: &str, kind: &str) -> Value {
    let current = json!({"text": format!("piton-{name}"), "value": format!("piton-{name}")});
    json!({"name": name, "label": "Datasource", "type": "datasource", "query": kind, "current": current})
}

/// A choice among the values of a label.
fn choice(name: &str, label: &str, values: &str, several: bool) -> Value {
    let mut choice = json!({
        "name": name, "label": label, "type": "query", "datasource": prometheus(), "query": values, "refresh": 2,
        "sort": 1, "multi": several, "includeAll": several,
    });
    if several {
        choice["current"] = json!({"text": "All", "value": "$__all"});
    }
    choice
}

fn thresholds(steps: Steps) -> Value {
    let steps: Vec<Value> = steps.iter().map(|(value, color)| json!({"value": value, "color": color})).collect();
    json!({"mode": "absolute", "steps": steps})
}

fn overview() -> Value {
    let board = Board::new()
        .stat("Workers alive",
            "Workers whose heartbeat is fresh. Without one nothing runs.",
            r#"max(piton_workers{state="alive"})"#, "none", NONE_IS_RED)
        .stat("Workers silent",
            "Workers that are not heard of, and whose jobs nobody has taken yet: piton workers tells since when.",
            r#"max(piton_workers{state="silent"})"#, "none", RED_FROM_ONE)
        .stat("Workers ready",
            "Workers that claim, and whose database answers.",
            "sum(piton_ready)", "none", NONE_IS_RED)
        .stat("Components unhealthy",
            "Components that a worker finds unhealthy: database, storage, memory, disk, queue. piton health says more.",
            r#"sum(max by (component) (piton_component_status{status="unhealthy"}))"#, "none", RED_FROM_ONE)
        .stat("Oldest ready job",
            "How long the job has waited that could be claimed and was not. Alert from 30 minutes on.",
            "max(piton_oldest_ready_age_seconds)", "s", OLDEST_READY)
        .stat("Dead letters",
            "Jobs given up that wait for a decision: piton dead-letter list.",
            r#"sum(max by (class) (piton_dead_letters{resolution="pending"}))"#, "none", ORANGE_FROM_ONE)
        .stat("Unexplained",
            "Runs and jobs that wait for nothing that is named. Anything but 0 is a defect: select * from piton.unexplained_jobs.",
            "max(piton_unexplained_jobs)", "none", RED_FROM_ONE)
        .stat("Work left",
            "Seconds that one worker would need for what can run now and the later stages of its runs. What to scale by.",
            "sum(max by (workflow) (piton_work_left_seconds))", "s", PLAIN)
        .stat("Empty in",
            "Until nothing is left of any workflow, at the pace of the last minutes. Infinite where one does not empty: piton throughput tells why.",
            "max(piton_empty_seconds)", "s", PLAIN)
        .stat("Done per minute",
            "Jobs that are done, on the average of five minutes.",
            r#"60 * sum(rate(piton_jobs_finished_total{outcome="done"}[5m]))"#, "none", PLAIN)
        .stat("More than before",
            "Jobs done per minute, less what it was ten minutes ago: below 0, things have become slower.",
            r#"60 * (sum(rate(piton_jobs_finished_total{outcome="done"}[5m])) - (sum(rate(piton_jobs_finished_total{outcome="done"}[5m] offset 10m)) or vector(0)))"#,
            "none", PLAIN)
        .stat("Runs going on",
            "Runs that are running.",
            r#"sum(max by (workflow) (piton_runs{state="running"}))"#, "none", PLAIN)
        .stat("Runs blocked",
            "Runs with a dead letter that waits for a decision.",
            r#"sum(max by (workflow) (piton_runs{state="blocked"}))"#, "none", ORANGE_FROM_ONE)
        .stat("Workers lost",
            "Workers that went without a word within the last hour. Their jobs were recovered.",
            r#"max(piton_workers{state="lost"})"#, "none", ORANGE_FROM_ONE)
        .stat("Age of the state",
            "How old what is shown of the database is. Alert from 2 minutes on.",
            "max(piton_snapshot_age_seconds)", "s", STALE)
        .stat("Paused",
            "Workflows and stages of which nothing begins, for somebody paused them: piton pauses.",
            "max(piton_pauses)", "none", ORANGE_FROM_ONE)
        .stat("Past their deadline",
            "Runs that were not finished by their deadline within the last 24 hours, and were cancelled.",
            "max(piton_runs_past_deadline)", "none", ORANGE_FROM_ONE)
        .stat("Alerts",
            "Alerts of Piton that fire.",
            r#"count(ALERTS{alertname=~"Piton.*",alertstate="firing"}) or vector(0)"#, "none", RED_FROM_ONE)
        .row("Flow")
        .lines("Jobs done per minute",
            "On the average of five minutes. The other line is what it was ten minutes before: above it, things go faster than then.",
            LINES, &[
                (r#"60 * sum(rate(piton_jobs_finished_total{outcome="done"}[5m]))"#, "now"),
                (r#"60 * sum(rate(piton_jobs_finished_total{outcome="done"}[5m] offset 10m)) or vector(0)"#,
                 "ten minutes before"),
            ])
        .lines("Work left by workflow",
            "Seconds that one worker would need. Falls while more is done than comes in.",
            Look { unit: "s", ..STACK }, &[
                ("max by (workflow) (piton_work_left_seconds)", "{{workflow}}"),
            ])
        .lines("Waiting for something outside",
            "Jobs that sleep, or wait for a signal, a service or another run, and how many of them time out within an hour: piton waits lists them.",
            LINES, &[
                ("max by (kind) (piton_waits)", "{{kind}}"),
                ("max by (kind) (piton_waits_near_timeout)", "{{kind}}, times out within an hour"),
            ])
        .lines("Oldest wait",
            "Since when the oldest of them has waited.",
            Look { unit: "s", ..LINES }, &[
                ("max by (kind) (piton_oldest_wait_age_seconds)", "{{kind}}"),
            ])
        .lines("Services per second",
            "What services say that call back, and what polls of others come to. unknown: a token that opens nothing; missed: a poll without an answer.",
            RATES, &[
                ("sum by (outcome) (rate(piton_callbacks_total[$__rate_interval]))", "callback {{outcome}}"),
                ("sum by (outcome) (rate(piton_polls_total[$__rate_interval]))", "poll {{outcome}}"),
            ])
        .lines("Time to empty by workflow",
            "At the pace of the last minutes, and if nothing comes in. There is no line where a workflow does not empty.",
            Look { empty: "nothing is left, or does not empty", ..TIMES }, &[
                ("max by (workflow) (piton_empty_seconds) < Inf", "{{workflow}}"),
            ])
        .lines("Jobs by state",
            "Live jobs. Scheduled ones are due later; a suspect waits to run alone, for its process died.",
            STACK, &[
                ("sum by (state) (max by (workflow, stage, state) (piton_jobs))", "{{state}}"),
            ])
        .lines("Attempts per second by their end",
            "done, retried, dead_lettered, released, cancelled, fenced or lost.",
            STACKED_RATES, &[
                ("sum by (outcome) (rate(piton_attempts_total[$__rate_interval]))", "{{outcome}}"),
            ])
        .lines("Failures per second by class",
            "Failed attempts. Most are retried by themselves.",
            Look { empty: "no attempt has failed yet", ..STACKED_RATES }, &[
                ("sum by (class) (rate(piton_failures_total[$__rate_interval]))", "{{class}}"),
            ])
        .lines("Runs per second",
            "Runs that workers began, and runs that they finished.",
            RATES, &[
                ("sum(rate(piton_runs_started_total[$__rate_interval]))", "started"),
                ("sum(rate(piton_runs_done_total[$__rate_interval]))", "done"),
            ])
        .lines("Wait for a slot",
            "From the moment a job could be claimed to its claim.",
            TIMES, &[
                ("histogram_quantile(0.5, sum by (le) (rate(piton_job_wait_seconds_bucket[$__rate_interval])))",
                 "half of the jobs"),
                ("histogram_quantile(0.99, sum by (le) (rate(piton_job_wait_seconds_bucket[$__rate_interval])))",
                 "99 of 100"),
            ])
        .lines("Oldest ready job by workflow",
            "Grows while nobody claims it.",
            Look { steps: Some(OLDEST_READY), ..TIMES }, &[
                ("max by (workflow) (piton_oldest_ready_age_seconds)", "{{workflow}}"),
            ])
        .lines("Overdue schedules",
            "Since the oldest tick that should have started a run, by workflow. Alert from 2 minutes on.",
            Look { empty: "no workflow has a schedule", ..TIMES }, &[
                ("max by (workflow) (piton_schedule_overdue_seconds)", "{{workflow}}"),
            ])
        .lines("Schedules by state",
            "A stopped one starts no more runs, because its runs failed or it cannot be read: piton schedules list.",
            STACK, &[
                ("max by (state) (piton_schedules)", "{{state}}"),
            ])
        .lines("Components",
            "0 is healthy, 1 degraded, 2 unhealthy: the worst of all workers.",
            Look { steps: Some(STATUS), ..LINES }, &[
                (r#"max by (component) (piton_component_status{status="degraded"} + ignoring (status) 2 * piton_component_status{status="unhealthy"})"#,
                 "{{component}}"),
            ])
        .lines("Dead letters by class",
            "Those that wait for a decision.",
            STACK, &[
                (r#"max by (class) (piton_dead_letters{resolution="pending"})"#, "{{class}}"),
            ]);
    board.dashboard(
        "piton-overview",
        "Piton / Overview",
        "Can I go home? Green boxes say yes.",
        &[datasource("prometheus", "prometheus")],
    )
}

fn workflow() -> Value {
    let board = Board::new()
        .stat("Runs going on",
            "Runs of this workflow that are running.",
            r#"max(piton_runs{workflow="$workflow",state="running"})"#, "none", PLAIN)
        .stat("Runs blocked",
            "Runs with a dead letter that waits for a decision.",
            r#"max(piton_runs{workflow="$workflow",state="blocked"})"#, "none", ORANGE_FROM_ONE)
        .stat("Oldest run",
            "Since the oldest run was started that is running.",
            r#"max(piton_oldest_run_age_seconds{workflow="$workflow"})"#, "s", PLAIN)
        .stat("Oldest ready job",
            "How long the job has waited that could be claimed and was not.",
            r#"max(piton_oldest_ready_age_seconds{workflow="$workflow"})"#, "s", OLDEST_READY)
        .stat("Work left",
            "Seconds that one worker would need for what can run now and the later stages of its runs.",
            r#"max(piton_work_left_seconds{workflow="$workflow"})"#, "s", PLAIN)
        .stat("Empty in",
            "Until nothing is left at the pace of the last minutes; infinite where it does not empty: piton throughput tells why.",
            r#"max(piton_empty_seconds{workflow="$workflow"})"#, "s", PLAIN)
        .stat("Stages left to others",
            "The most stages for which one worker has no handler, program or variable.",
            r#"max(piton_stages_missing{workflow="$workflow"}) or vector(0)"#, "none", ORANGE_FROM_ONE)
        .row("Flow through the stages")
        .lines("Live jobs by stage",
            "In all states.",
            STACK, &[
                (r#"sum by (stage) (max by (stage, state) (piton_jobs{workflow="$workflow"}))"#, "{{stage}}"),
            ])
        .lines("Due later",
            "Jobs that wait to be tried again, and jobs that are due within a minute.",
            LINES, &[
                (r#"max(piton_jobs_retry_wait{workflow="$workflow"})"#, "to be tried again"),
                (r#"max(piton_jobs_due_soon{workflow="$workflow"})"#, "due within a minute"),
            ])
        .lines("Current version",
            "The version that runs are started of, by the first digits of its digest: where one line ends and the next begins, one was deployed or rolled back. piton workflows versions $workflow says by whom.",
            Look { empty: "none is deployed", ..LINES }, &[
                (r#"max by (version) (piton_workflow_current_info{workflow="$workflow"})"#, "{{version}}"),
            ])
        .lines("Jobs started per second",
            "First attempts.",
            STACKED_RATES, &[
                (r#"sum by (stage) (rate(piton_jobs_started_total{workflow="$workflow"}[$__rate_interval]))"#,
                 "{{stage}}"),
            ])
        .lines("Jobs finished per second",
            "Jobs that are done, and jobs that were given up.",
            STACKED_RATES, &[
                (r#"sum by (stage, outcome) (rate(piton_jobs_finished_total{workflow="$workflow"}[$__rate_interval]))"#,
                 "{{stage}} {{outcome}}"),
            ])
        .lines("Duration of attempts, 95 of 100",
            "Whatever their end.",
            TIMES, &[
                (r#"histogram_quantile(0.95, sum by (le, stage) (rate(piton_attempt_duration_seconds_bucket{workflow="$workflow"}[$__rate_interval])))"#,
                 "{{stage}}"),
            ])
        .lines("Wait for a slot, 95 of 100",
            "From the moment a job could be claimed to its claim.",
            TIMES, &[
                (r#"histogram_quantile(0.95, sum by (le, stage) (rate(piton_job_wait_seconds_bucket{workflow="$workflow"}[$__rate_interval])))"#,
                 "{{stage}}"),
            ])
        .row("What fails")
        .lines("Failures per second",
            "Failed attempts.",
            Look { empty: "no attempt has failed yet", ..STACKED_RATES }, &[
                (r#"sum by (stage, class) (rate(piton_failures_total{workflow="$workflow"}[$__rate_interval]))"#,
                 "{{stage}} {{class}}"),
            ])
        .lines("Retries per second",
            "Retries that were scheduled. Many more than jobs that are done: a retry storm.",
            Look { empty: "nothing was retried yet", ..STACKED_RATES }, &[
                (r#"sum by (stage, class) (rate(piton_retries_total{workflow="$workflow"}[$__rate_interval]))"#,
                 "{{stage}} {{class}}"),
            ])
        .lines("Rounds begun per second",
            "Rounds that began because the one before was not good enough. Rising: results are worse, or more is asked of them.",
            Look { empty: "no stage was done again for its result yet", ..STACKED_RATES }, &[
                (r#"sum by (stage) (rate(piton_rounds_begun_total{workflow="$workflow"}[$__rate_interval]))"#,
                 "{{stage}}"),
            ])
        .lines("Given up per second",
            "Jobs that became dead letters.",
            Look { empty: "nothing was given up yet", ..STACKED_RATES }, &[
                (r#"sum by (stage, class) (rate(piton_dead_lettered_total{workflow="$workflow"}[$__rate_interval]))"#,
                 "{{stage}} {{class}}"),
            ])
        .lines("Crash suspects per second",
            "Jobs found in a process that had died. They run alone from then on.",
            Look { empty: "no process has died under a job yet", ..STACKED_RATES }, &[
                (r#"sum by (stage) (rate(piton_crash_suspects_total{workflow="$workflow"}[$__rate_interval]))"#,
                 "{{stage}}"),
            ])
        .lines("Programs that commit their own result, per second",
            "Attempts of programs with finish = true, by how piton.finish took part. taken_over: a worker was lost behind the commit. \
             finished_then_failed: the result counts, and the program should be looked at.",
            Look { empty: "no program has finished with piton.finish yet", ..STACKED_RATES }, &[
                (r#"sum by (outcome) (rate(piton_program_finishes_total{workflow="$workflow"}[$__rate_interval]))"#,
                 "{{outcome}}"),
            ])
        .lines("Attempts per second by their end",
            "Of all stages.",
            STACKED_RATES, &[
                (r#"sum by (outcome) (rate(piton_attempts_total{workflow="$workflow"}[$__rate_interval]))"#,
                 "{{outcome}}"),
            ]);
    let workflow = choice("workflow", "Workflow", "label_values(piton_runs, workflow)", false);
    board.dashboard(
        "piton-workflow",
        "Piton / Workflow",
        "One workflow: how its jobs flow through the stages, how long they take, and what fails.",
        &[datasource("prometheus", "prometheus"), workflow],
    )
}

fn workers() -> Value {
    let board = Board::new()
        .row("Workers")
        .lines("Slots",
            "Busy, free, and lent to a process that runs a suspect.",
            STACK, &[
                (r#"sum by (state) (piton_slots{instance=~"$instance"})"#, "{{state}}"),
            ])
        .lines("Processes of warm stages",
            "Programs that stay loaded from job to job, by state. Starting for long: see piton_warm_start_seconds, and program_not_started in the log.",
            STACK, &[
                (r#"sum by (workflow, stage, state) (piton_warm_processes{instance=~"$instance"})"#, "{{workflow}} {{stage}} {{state}}"),
            ])
        .lines("Starts of warm programs",
            "Per second. Every process that fails, or is replaced, is started again.",
            LINES, &[
                (r#"sum by (workflow, stage, outcome) (rate(piton_warm_starts_total{instance=~"$instance"}[$__rate_interval]))"#, "{{workflow}} {{stage}} {{outcome}}"),
                (r#"histogram_quantile(0.95, sum by (le) (rate(piton_warm_start_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#, "seconds to start, 95 of 100"),
            ])
        .lines("Live and ready",
            "Live: every part runs. Ready: it claims, and its database answers.",
            LINES, &[
                (r#"piton_live{instance=~"$instance"}"#, "{{instance}} live"),
                (r#"piton_ready{instance=~"$instance"}"#, "{{instance}} ready"),
            ])
        .lines("Results that wait for the database",
            "Attempts that have ended and whose commit has not landed.",
            LINES, &[
                (r#"sum by (instance) (piton_results_waiting{instance=~"$instance"})"#, "{{instance}}"),
            ])
        .lines("Recoveries per second",
            "Jobs taken from workers that were gone.",
            RATES, &[
                (r#"sum by (action) (rate(piton_recoveries_total{instance=~"$instance"}[$__rate_interval]))"#,
                 "{{action}}"),
            ])
        .lines("Loop lag, 99 of 100",
            "How late timers fire: handlers that compute without awaiting hold them up.",
            TIMES, &[
                (r#"histogram_quantile(0.99, sum by (le, instance) (rate(piton_loop_lag_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#,
                 "{{instance}}"),
            ])
        .lines("Versions",
            "Workers by the version of their program.",
            LINES, &[
                (r#"count by (version) (piton_build_info{instance=~"$instance"})"#, "{{version}}"),
            ])
        .lines("Memory of the processes",
            "Resident.",
            BYTES, &[
                (r#"process_resident_memory_bytes{instance=~"$instance"}"#, "{{instance}}"),
            ])
        .lines("Processor time of the processes",
            "Processors in use.",
            LINES, &[
                (r#"rate(process_cpu_seconds_total{instance=~"$instance"}[$__rate_interval])"#, "{{instance}}"),
            ])
        .lines("Files read per second",
            "Files of the artifact store that attempts read: at hand (hit), or fetched (miss). Files are evicted to make room for others; many misses with many of them ask for a larger --file-cache.",
            RATES, &[
                (r#"sum by (result) (rate(piton_file_cache_requests_total{instance=~"$instance"}[$__rate_interval]))"#,
                 "{{result}}"),
                (r#"sum(rate(piton_file_cache_evicted_total{instance=~"$instance"}[$__rate_interval]))"#, "evicted"),
            ])
        .lines("Fetched files",
            "Bytes at hand on each worker's disk, up to its --file-cache, and bytes fetched per second.",
            BYTES, &[
                (r#"piton_file_cache_bytes{instance=~"$instance"}"#, "{{instance}} at hand"),
                (r#"sum(rate(piton_file_cache_fetched_bytes_total{instance=~"$instance"}[$__rate_interval]))"#,
                 "fetched per second"),
            ])
        .row("Components")
        .lines("Measures against their limits",
            "Each measure, divided by the value from which on its component is unhealthy.",
            Look { unit: "percentunit", steps: Some(LIMIT), ..LINES }, &[
                (r#"max by (component, measure) (piton_component_value{instance=~"$instance"} / ignoring (status) piton_component_threshold{instance=~"$instance",status="unhealthy"})"#,
                 "{{component}} {{measure}}"),
            ])
        .lines("Since the last check",
            "Of the worker that is the furthest behind. Grows while a check hangs.",
            TIMES, &[
                (r#"max by (component) (piton_component_check_age_seconds{instance=~"$instance"})"#, "{{component}}"),
            ])
        .lines("Duration of the checks",
            "Of the slowest worker.",
            TIMES, &[
                (r#"max by (component) (piton_component_check_duration_seconds{instance=~"$instance"})"#,
                 "{{component}}"),
            ])
        .row("Statements")
        .lines("Claims, 99 of 100",
            "Time in the database.",
            TIMES, &[
                (r#"histogram_quantile(0.99, sum by (le, instance) (rate(piton_claim_duration_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#,
                 "{{instance}}"),
            ])
        .lines("Commits, 99 of 100",
            "Time in the database.",
            TIMES, &[
                (r#"histogram_quantile(0.99, sum by (le, instance) (rate(piton_commit_duration_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#,
                 "{{instance}}"),
            ])
        .lines("Batches",
            "How many jobs a claim found, and how many attempts a commit ended, on the average.",
            LINES, &[
                (r#"sum(rate(piton_claim_batch_size_sum{instance=~"$instance"}[$__rate_interval])) / sum(rate(piton_claim_batch_size_count{instance=~"$instance"}[$__rate_interval]))"#,
                 "claim"),
                (r#"sum(rate(piton_commit_batch_size_sum{instance=~"$instance"}[$__rate_interval])) / sum(rate(piton_commit_batch_size_count{instance=~"$instance"}[$__rate_interval]))"#,
                 "commit"),
            ])
        .lines("Statements without an answer per second",
            "They are sent again.",
            RATES, &[
                (r#"sum by (part) (rate(piton_database_errors_total{instance=~"$instance"}[$__rate_interval]))"#,
                 "{{part}}"),
            ])
        .lines("Connections",
            "Of the workers' pools.",
            LINES, &[
                (r#"sum by (state) (piton_database_connections{instance=~"$instance"})"#, "{{state}}"),
                (r#"sum(piton_database_connections_max{instance=~"$instance"})"#, "may be open"),
            ])
        .lines("Sessions and notifications per second",
            "The workers' own sessions that were lost and opened again, and notifications of new jobs that reached them.",
            RATES, &[
                (r#"sum(rate(piton_database_reconnects_total{instance=~"$instance"}[$__rate_interval]))"#,
                 "opened again"),
                (r#"sum(rate(piton_notifications_total{instance=~"$instance"}[$__rate_interval]))"#, "notifications"),
            ])
        .row("Database")
        .lines("Tables",
            "Sizes without indexes.",
            Look { unit: "bytes", ..STACK }, &[
                ("max by (table) (piton_table_bytes)", "{{table}}"),
            ])
        .lines("Indexes",
            "Sizes by table.",
            Look { unit: "bytes", ..STACK }, &[
                ("max by (table) (piton_index_bytes)", "{{table}}"),
            ])
        .lines("Dead rows",
            "As Postgres estimates them. They stay while a snapshot is older.",
            LINES, &[
                ("max by (table) (piton_dead_rows)", "{{table}}"),
            ])
        .lines("Whole database", "All schemas.", BYTES, &[("max(piton_database_bytes)", "size")])
        .lines("Oldest snapshot",
            "Its age, by who holds it. Alert from 30 minutes on.",
            Look { steps: Some(HELD), ..TIMES }, &[
                ("max by (holder) (piton_oldest_snapshot_age_seconds)", "{{holder}}"),
            ])
        .lines("Oldest snapshot, in transactions",
            "Transactions that were begun since; known of slots and standbys too.",
            LINES, &[
                ("max by (holder) (piton_oldest_snapshot_transactions)", "{{holder}}"),
            ])
        .lines("Artifacts",
            "What is in the artifact store, by type.",
            Look { unit: "bytes", ..STACK }, &[("max by (type) (piton_artifact_bytes)", "{{type}}")])
        .lines("Since the last cleanup",
            "Until it was through. Alert from 2 days on.",
            TIMES, &[("max(piton_cleanup_age_seconds)", "last one")])
        .lines("Cleaned up per second",
            "Runs and artifacts that were deleted, and those that could not be.",
            Look { empty: "nothing was due yet", ..RATES }, &[
                ("sum by (what, type) (rate(piton_cleanup_deleted_total[$__rate_interval]))", "{{what}} {{type}}"),
                ("sum by (what, type) (rate(piton_cleanup_errors_total[$__rate_interval]))", "{{what}} {{type}} not"),
            ])
        .lines("Cleaned up bytes per second",
            "Size of what was deleted.",
            Look { empty: "nothing was due yet", ..BYTES }, &[
                ("sum by (what, type) (rate(piton_cleanup_bytes_total[$__rate_interval]))", "{{what}} {{type}}"),
            ])
        .lines("Looking at the state",
            "How long it took.",
            TIMES, &[
                ("max(piton_snapshot_duration_seconds)", "one look"),
            ])
        .lines("Who looks at the state",
            "One worker at a time.",
            LINES, &[
                (r#"piton_snapshot_leader{instance=~"$instance"}"#, "{{instance}}"),
            ])
        .lines("Series left out",
            "Series of workflows and stages that a worker does not show, because there are more than --metrics-series.",
            LINES, &[
                (r#"piton_series_left_out{instance=~"$instance"}"#, "{{instance}}"),
            ]);
    let instance = choice("instance", "Worker", "label_values(piton_build_info, instance)", true);
    board.dashboard(
        "piton-workers",
        "Piton / Workers and database",
        "What the workers do, how they are, and what the database bears.",
        &[datasource("prometheus", "prometheus"), instance],
    )
}

fn runs() -> Value {
    let board = Board::new()
        .table("Dead letters by cause", "Those that wait for a decision. Retry all of a class: piton dead-letter retry --all --class CLASS.", "no dead letter waits for a decision", 24,
            "select workflow, stage, class, count(*) as letters, max(dead_at) as newest, min(message) as example\nfrom piton.dead_letters_overview where resolution = 'pending'\ngroup by workflow, stage, class, fingerprint order by letters desc limit 100")
        .table("Dead letters", "The newest that wait for a decision: piton dead-letter show ID.", "no dead letter waits for a decision", 24,
            "select dead_at, run, workflow, stage, item, class, message, attempts, worker, id\nfrom piton.dead_letters_overview where resolution = 'pending' order by dead_at desc limit 100")
        .table("What waits, and why", "Live jobs and dead letters, with what would move them. For one run: piton why RUN.", "nothing is live", 24,
            "select workflow, stage, reason, jobs, oldest_since, why, moves\nfrom piton.waiting_overview order by workflow, stage, reason")
        .table("Newest runs", "The latest hundred.", "no run was started yet", 24,
            "select run, workflow, state, started_at, extract(epoch from duration)::float8 as seconds, dead_letters\nfrom piton.runs_overview order by run desc limit 100")
        .table("Story of run ${run}", "Every attempt of it that has ended. piton show RUN says more.", "choose a run from another table, or type its id above", 24,
            "select started_at, stage, item, attempt, outcome, class, message, worker, extract(epoch from duration)::float8 as seconds, retry_at\nfrom piton.attempts_overview where run = nullif('${run}', '')::uuid order by ended_at limit 1000")
        .table("Recoveries", "Jobs taken from workers that were gone, in the time that is shown.", "no worker was lost", 24,
            "select at, run, workflow, stage, item, attempt, action, cause, worker, recovered_by\nfrom piton.recoveries where at between $__timeFrom() and $__timeTo() order by at desc limit 100")
        .table("Health", "Components that changed, in the time that is shown.", "no component has changed", 12,
            "select at, worker, component, was, status, reason\nfrom piton.health_history where at between $__timeFrom() and $__timeTo() order by at desc limit 100")
        .table("Who holds a snapshot", "Dead rows younger than it stay. To end a session: select pg_terminate_backend(NAME).", "nobody", 12,
            "select holder, name, username, application, state, age_seconds as seconds, transactions, query\nfrom piton.snapshot_holders order by transactions desc nulls last limit 20");
    let run =
        json!({"name": "run", "label": "Run", "type": "textbox", "query": "", "current": {"text": "", "value": ""}});
    board.dashboard(
        "piton-runs",
        "Piton / Dead letters and runs",
        "From the tables, by SQL: what waits for a decision, and the story of a run. A click on a run shows its story.",
        &[datasource("postgres", "grafana-postgresql-datasource"), run],
    )
}
