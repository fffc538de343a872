//! Dashboards and alert rules against real workers, a real Prometheus, and a real Postgres. Grafana itself is not run.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection};

use crate::harness::{Process, SOON, World, stdout, until};
use crate::prometheus::{Prometheus, free_address};
use crate::warm;
use crate::workflows::SQUARES;

#[path = "../../grafana/dashboards.rs"]
pub(crate) mod generator;

/// Does everything that a stage can do.
pub(crate) const TROUBLED: &str = r#"
name = "troubled"
[stages.misbehave]
rust = "misbehave"
retry = { network_timeout = { base = "10ms" } }
[stages.load]
command = ["echo", "1"]
needs = ["misbehave"]
finish = true
[stages.again]
command = ["sh", "-c", "echo $PITON_ROUND"]
needs = ["load"]
repeat = { until = "again > 1", at_most = 2 }
"#;

/// One that waits, and a schedule.
const LATER: &str = "name = \"later\"\n[stages.rest]\nsleep = \"6h\"\n[schedules.yearly]\ncron = \"@yearly\"\n";

/// Nobody answers its polls.
const POLLS: &str = "name = \"polls\"\n[stages.ask]\ncommand = [\"echo\", '{\"wait\": {\"handle\": 1}}']\n\
                     wait = { for = \"poll\", url = \"http://127.0.0.1:9/\", every = \"1s\", done = \"a == 1\", timeout = \"1h\" }\n";

/// A warm program that is never ready.
const NEVER_READY: &str =
    "name = \"never\"\n[stages.load]\ncommand = [\"false\"]\nwarm = {}\nretry = { max_retries = 0 }\n";

/// Metrics that no dashboard has, and why.
const NOT_SHOWN: &[&str] = &[];

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// Every panel's title with what it asks, from the files as Grafana would read them.
fn panels(kind: &str) -> Vec<(String, String)> {
    let mut asked = Vec::new();
    for (file, _) in generator::all() {
        let dashboard: Value = serde_json::from_str(&read(&format!("grafana/dashboards/{file}"))).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = format!("{file}: {}", panel["title"].as_str().unwrap());
            let targets = panel["targets"].as_array().into_iter().flatten();
            asked.extend(targets.filter_map(|target| Some((title.clone(), target[kind].as_str()?.to_owned()))));
        }
    }
    asked
}

/// Names of Piton's metrics in a text, without what Prometheus adds to those of histograms.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("piton_"));
    let known = known();
    let name = |word: &str| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        base.filter(|base| known.contains(*base)).unwrap_or(word).to_owned()
    };
    words.map(name).collect()
}

/// Names of all metrics.
fn known() -> BTreeSet<String> {
    let page = read("docs/metrics.md");
    page.split('`').skip(1).step_by(2).filter(|word| word.starts_with("piton_")).map(str::to_owned).collect()
}

#[test]
fn the_dashboards_are_those_of_their_generator() {
    for (file, dashboard) in generator::all() {
        let path = format!("grafana/dashboards/{file}");
        assert!(read(&path) == generator::text(&dashboard), "{path} is stale: cargo run --example dashboards");
    }
}

#[test]
fn every_metric_is_on_a_dashboard_and_every_name_on_one_is_a_metric() {
    let shown: BTreeSet<String> = panels("expr").iter().flat_map(|(_, expr)| names(expr)).collect();
    let known = known();
    assert!(known.len() > 40, "{known:?}");
    let left_out: BTreeSet<String> = NOT_SHOWN.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(&shown | &left_out, known);
    assert!(shown.is_disjoint(&left_out));
}

#[test]
fn every_panel_says_what_it_shows_and_what_it_says_when_there_is_nothing() {
    for (file, dashboard) in generator::all() {
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{file}: two panels have one id");
            if panel["type"] != "row" {
                assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{file}: {panel:#}");
                assert!(panel["fieldConfig"]["defaults"]["noValue"].is_string(), "{file}: {panel:#}");
            }
        }
    }
}

/// Two workers at addresses that stay theirs over restarts.
pub(crate) struct Fleet<'w> {
    world: &'w World,
    pub(crate) addresses: [String; 2],
}

impl<'w> Fleet<'w> {
    pub(crate) fn new(world: &'w World) -> Fleet<'w> {
        Fleet { world, addresses: [free_address(), free_address()] }
    }

    fn start(&self, number: usize) -> Process {
        let name = format!("w{}", number + 1);
        let often = ["--health-every", "200ms", "--snapshot-every", "500ms", "--cleanup-every", "1s", "--slots", "4"];
        self.world.worker(&name, &[&["--metrics", &self.addresses[number]], &often[..]].concat())
    }
}

pub(crate) fn misbehaves(world: &World, how: &str) -> String {
    world.start("troubled", how)
}

/// Runs that are done, retried, given up, and a job that kills a worker and is found out.
pub(crate) async fn trouble(world: &World, fleet: &Fleet<'_>) -> [Process; 2] {
    let poison = misbehaves(world, r#"{"how": "abort", "times": 2}"#);
    let mut first = fleet.start(0);
    assert_eq!(first.exit_code().await, None, "it dies by a signal");
    let workers = [fleet.start(0), fleet.start(1)];
    let retried = misbehaves(world, r#"{"how": "fail", "times": 2, "class": "network_timeout"}"#);
    let given_up = misbehaves(world, r#"{"how": "fail", "times": 9, "class": "invalid_input"}"#);
    let squares = world.start("squares", r#"{"items": 30, "work_ms": 10, "fails_once_every": 7}"#);
    for (run, state) in [(poison, "done"), (retried, "done"), (given_up, "blocked"), (squares, "done")] {
        assert_eq!(world.ended(&run).await, state);
    }
    world.cut_sessions().await;
    // Something for cleanup.
    let cancelled = world.start("troubled", r#"{"how": "hang"}"#);
    let keep = ["cleanup", "keep", "runs", "cancelled", "0d"];
    for decision in [&["cancel", &cancelled, "--reason", "nobody needs it"][..], &keep] {
        stdout(&world.command(decision).output().unwrap());
    }
    workers
}

#[tokio::test]
async fn every_panel_and_every_rule_has_an_answer_and_an_alert_follows_what_happens() {
    let loaded = warm::warm("loaded", "", "");
    let mut world = World::with(&[SQUARES, TROUBLED, &loaded, LATER, POLLS, NEVER_READY]).await;
    world.environment.push(("NOTES", world.path("notes").to_str().unwrap().to_owned()));
    let fleet = Fleet::new(&world);
    let prometheus = Prometheus::start(world.folder.path(), &fleet.addresses).await;
    let workers = trouble(&world, &fleet).await;
    let run = world.start("loaded", "{}");
    assert_eq!(world.ended(&run).await, "done");
    let never = world.start("never", "{}");
    assert_eq!(world.ended(&never).await, "blocked");
    world.start("later", "{}");
    world.start("polls", "{}");
    until(SOON, "it waits", async || {
        world.count("select count(*) from piton.waits_overview where kind = 'sleep'").await == 1
    })
    .await;
    // What ended between two snapshots was never seen: the panels on live jobs have one that stays.
    sqlx::query("select piton.start_run('troubled', '{}', run_at => now() + interval '1 hour')")
        .execute(&world.pool)
        .await
        .unwrap();
    prometheus.scrapes(2).await;
    // A panel on snapshots that are held has something to show.
    let mut holder = world.pool.acquire().await.unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("set transaction isolation level repeatable read").execute(&mut *held).await.unwrap();
    sqlx::query("select count(*) from piton.runs").execute(&mut *held).await.unwrap();

    every_expression(&prometheus).await;
    every_rule(&prometheus).await;
    every_statement(&world).await;

    let store = world.path("artifacts");
    assert!(!prometheus.notices("PitonComponentUnhealthy", "storage"));
    std::fs::rename(&store, world.path("moved")).unwrap();
    std::fs::write(&store, "").unwrap();
    until(SOON, "the alert notices", async || prometheus.notices("PitonComponentUnhealthy", "storage")).await;
    std::fs::remove_file(&store).unwrap();
    until(SOON, "the alert is over", async || !prometheus.notices("PitonComponentUnhealthy", "storage")).await;
    drop(workers);
}

/// Two scrapes after the last change, every expression has an answer.
async fn every_expression(prometheus: &Prometheus) {
    for (panel, expression) in panels("expr") {
        let expression =
            expression.replace("$__rate_interval", "1m").replace("$workflow", "troubled").replace("$instance", ".+");
        assert!(!expression.contains('$'), "{panel}: {expression}");
        let words = format!("{panel}: {expression} has an answer");
        until(SOON, &words, async || !prometheus.query(&expression).is_empty()).await;
    }
}

/// A rule that is silent has no answer. So it must be without error, and there must be what it goes by.
async fn every_rule(prometheus: &Prometheus) {
    until(SOON, "every rule was evaluated", async || {
        let groups = prometheus.ask("/api/v1/rules")["groups"].clone();
        let rules: Vec<&Value> =
            groups.as_array().unwrap().iter().flat_map(|g| g["rules"].as_array().unwrap()).collect();
        assert!(rules.len() >= 10, "{rules:?}");
        assert!(rules.iter().all(|rule| rule["health"] != "err"), "{rules:?}");
        rules.iter().all(|rule| rule["health"] == "ok")
    })
    .await;
    let rules = prometheus.ask("/api/v1/rules");
    for rule in rules["groups"][0]["rules"].as_array().unwrap() {
        let expression = rule["query"].as_str().unwrap();
        let selectors = selectors(expression);
        assert!(!selectors.is_empty(), "{expression} goes by nothing");
        for selector in selectors {
            assert!(!prometheus.query(&selector).is_empty(), "{}: there is no {selector}", rule["name"]);
        }
    }
}

/// `name{label="value"}` for each series that an expression is made of.
fn selectors(expression: &str) -> Vec<String> {
    let begins = expression.match_indices("piton_").map(|(at, _)| &expression[at..]);
    let selector = |text: &str| {
        let name = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        let end = if text[name..].starts_with('{') { name + text[name..].find('}').unwrap() + 1 } else { name };
        text[..end].to_owned()
    };
    begins.map(selector).collect()
}

async fn every_statement(world: &World) {
    let run: String = sqlx::query_scalar("select run::text from piton.runs_overview order by run limit 1")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    // Something live, for the panel on the queue.
    let waits = world.start("squares", r#"{"items": 30, "work_ms": 60000}"#);
    for (panel, sql) in panels("rawSql") {
        let sql = sql
            .replace("${run}", &run)
            .replace("$__timeFrom()", "now() - interval '1 hour'")
            .replace("$__timeTo()", "now()");
        assert!(!sql.contains('$'), "{panel}: {sql}");
        until(SOON, &format!("{panel}: {sql} has an answer"), async || {
            let rows = sqlx::query(AssertSqlSafe(sql.clone())).fetch_all(&world.pool).await;
            !rows.unwrap_or_else(|error| panic!("{panel}: {error}")).is_empty()
        })
        .await;
    }
    assert_eq!(world.state(&waits).await, "running");
}
