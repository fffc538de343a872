//! The drill: at night, in a mess, each question is one command, and its answer is what the tables say.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};

use crate::harness::{Process, SOON, World, stdout, until};
use crate::http_server::HttpServer;
use crate::workflows::MISBEHAVE;

/// Charges a customer: well, or for one of three reasons not.
const ORDER: &str = r#"
name = "order"
[stages.plan]
rust = "echo"
[stages.charge]
needs = ["plan"]
command = ["sh", "-c", "echo \"$0\" >&2; exit $1", "{{input.says}}", "{{input.code}}"]
output = "text"
[stages.ship]
rust = "echo"
needs = ["charge"]
"#;

const MAIL: &str = "name = \"mail\"\n[stages.send]\nrust = \"work\"\n";
const CONVERT: &str = "name = \"convert\"\n[stages.convert]\ncommand = [\"no-such-converter\"]\n";
const RENDER: &str = "name = \"render\"\n[stages.render]\nrust = \"work\"\ntimeout = \"1h\"\nconcurrency = 1\n";
/// Goes on at a known pace: one after another, a second each.
const SCAN: &str = "name = \"scan\"\n[stages.scan]\nrust = \"work\"\nconcurrency = 1\n";

fn quote(provider: &HttpServer) -> String {
    format!("name = \"quote\"\n[stages.ask]\nhttp = \"{}/quotes\"\n", provider.url())
}

const TENANTS: [&str; 5] = ["acme", "globex", "initech", "umbrella", "hooli"];

/// Lines of the batch: a third of it is well, and each tenant meets each failure.
fn orders(count: usize) -> String {
    let line = |number: usize| {
        let (code, says) = match number % 6 {
            0 | 1 => (0, "charged".to_owned()),
            2 | 3 => (65, format!("{{\"error\":\"card expired\",\"request\":\"req_{number}\"}}")),
            4 => (65, format!("{{\"error\":\"customer has no VAT number\",\"request\":\"req_{number}\"}}")),
            _ => (77, format!("account {number} may not be charged")),
        };
        let tenant = TENANTS[number / 6 % TENANTS.len()];
        json!({"tenant": tenant, "code": code, "says": says}).to_string() + "\n"
    };
    (0..count).map(line).collect()
}

struct Drill {
    // First, so that they end before the world does.
    worker: Process,
    _provider: HttpServer,
    world: World,
    /// Before anything went wrong.
    began: String,
}

impl Drill {
    async fn of(count: usize) -> Drill {
        let provider = HttpServer::start(|_, wire| wire.answer(429, &["Retry-After: 3600"], "slow down"));
        let world = World::with(&[ORDER, MAIL, CONVERT, RENDER, SCAN, MISBEHAVE, &quote(&provider)]).await;
        let began: String = sqlx::query_scalar(
            "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        // The poison takes its first worker with it.
        world.start("misbehave", r#"{"how": "abort", "times": 99, "tenant": "acme"}"#);
        let mut first = world.worker("w0", &["--lease", "2s", "--log", "off"]);
        assert_eq!(first.exit_code().await, None, "it was killed");
        drop(first);
        let worker = world.worker("w1", &["--lease", "2s", "--slots", "16", "--log", "off"]);
        let drill = Drill { worker, _provider: provider, world, began };
        drill.says("pause mail --reason provider_down --by anna");
        drill.starts("mail", 7, json!({}));
        drill.starts("convert", 3, json!({}));
        drill.starts("quote", 4, json!({}));
        drill.starts("render", 5, json!({"work_ms": 3_000_000}));
        drill.world.deploy("scan");
        drill
            .truth("select count(*) from piton.start_runs('scan', array_fill('{\"work_ms\": 1000}'::json, array[500]))")
            .await;
        std::fs::write(drill.world.path("orders.jsonl"), orders(count)).unwrap();
        drill.says("batch start night order --input orders.jsonl");
        drill.settled(count).await;
        drill
    }

    /// Nothing moves by itself any more, but for what runs for long.
    async fn settled(&self, count: usize) {
        let given_up = i64::try_from(count / 6 * 4 + 1).unwrap();
        let live = "select count(*) from piton.jobs j join piton.workflows w on w.id = j.workflow_id
                    where w.name in ('order', 'misbehave') or w.name = 'quote' and j.state <> 'scheduled'";
        let at_work = "select count(*) from piton.jobs j join piton.workflows w on w.id = j.workflow_id
                       where j.state in ('running', 'scheduled') and w.name <> 'scan'";
        let settled = async || {
            self.truth("select count(*) from piton.dead_letters").await == json!(given_up)
                && self.truth(live).await == json!(0)
                && self.truth(at_work).await == json!(5)
        };
        until(SOON * 3, "all has come to a stop", settled).await;
    }

    fn starts(&self, workflow: &str, count: usize, input: Value) {
        for _ in 0..count {
            self.world.start(workflow, &input.to_string());
        }
    }

    /// What the command prints.
    fn says(&self, command: &str) -> String {
        let mut asked = self.world.command(command.split(' '));
        stdout(&asked.env("PITON_WORKFLOWS", self.world.path("workflows")).env("TZ", "UTC").output().unwrap())
    }

    /// What the command tells programs; its text is short and has each of the words.
    fn told(&self, command: &str, words: &[&str]) -> Value {
        let asked = Instant::now();
        let text = self.says(command);
        // A second is what is promised; this is a debug build, beside other tests.
        assert!(asked.elapsed() < Duration::from_secs(15), "{command} took {:?}", asked.elapsed());
        assert!(text.lines().count() <= 60, "{command} is too long to read:\n{text}");
        for word in words {
            assert!(text.contains(word), "`{command}` does not say {word:?}:\n{text}");
        }
        serde_json::from_str(&self.says(&format!("{command} --json"))).unwrap()
    }

    /// What the tables say: the first column of the only row.
    async fn truth(&self, sql: &str) -> Value {
        let sql = format!("select to_json(asked.*) from ({sql}) as asked(told)");
        let row: Value = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.world.pool).await.unwrap();
        row["told"].clone()
    }
}

/// Of rows of JSON, those of which the key has the value.
fn of<'r>(rows: &'r Value, key: &str, value: &str) -> Vec<&'r Value> {
    rows.as_array().unwrap().iter().filter(|row| row[key] == value).collect()
}

#[track_caller]
fn the_one<'r>(rows: &'r Value, key: &str, value: &str) -> &'r Value {
    let found = of(rows, key, value);
    assert_eq!(found.len(), 1, "{key} {value}: {rows:#}");
    found[0]
}

fn sum(rows: &Value, key: &str) -> i64 {
    rows.as_array().unwrap().iter().map(|row| row[key].as_i64().unwrap()).sum()
}

async fn drill(count: usize) {
    let drill = Drill::of(count).await;
    what_is_stuck(&drill).await;
    since_when(&drill).await;
    whose_fault_it_is(&drill).await;
    how_many_customers_are_hit(&drill).await;
    what_a_retry_costs(&drill).await;
    only_one_tenant(&drill).await;
    better_or_worse_what_holds_it_up_and_when_it_is_empty(&drill).await;
    what_has_changed(&drill).await;
    nobody_is_left(drill).await;
}

async fn what_is_stuck(drill: &Drill) {
    let words = [
        "mail, send: 7 ",
        "paused by anna: \"provider_down\"",
        " resume mail",
        "no-such-converter",
        "quote, ask: 4 ",
        "rate_limited",
        "render, render: 4 ",
        "limit",
        "given up: auth_failure, invalid_input",
    ];
    let stuck = drill.told("why", &words);
    // What goes on has fewer by the time that it is counted.
    let jobs =
        "select coalesce(sum(j.until - j.item), 0) from piton.jobs j join piton.workflows w on w.id = j.workflow_id
                where w.name <> 'scan'";
    let scans = sum(&Value::Array(of(&stuck, "workflow", "scan").into_iter().cloned().collect()), "jobs");
    let decisions = sum(&Value::Array(of(&stuck, "reason", "decision").into_iter().cloned().collect()), "jobs");
    assert_eq!(json!(sum(&stuck, "jobs") - decisions - scans), drill.truth(jobs).await, "every job, once: {stuck:#}");
    assert_eq!(
        json!(decisions),
        drill.truth("select count(*) from piton.dead_letters where resolution = 'pending'").await
    );
    for (workflow, reasons) in [
        ("mail", &[("paused", 7)][..]),
        ("convert", &[("no_handler", 3)]),
        ("quote", &[("retry", 4)]),
        ("render", &[("limit", 4), ("running", 1)]),
        ("misbehave", &[("decision", 1)]),
    ] {
        let mut found: Vec<(&str, i64)> = of(&stuck, "workflow", workflow)
            .into_iter()
            .map(|row| (row["reason"].as_str().unwrap(), row["jobs"].as_i64().unwrap()))
            .collect();
        found.sort_unstable();
        assert_eq!(found, reasons, "{stuck:#}");
    }
}

async fn since_when(drill: &Drill) {
    let stuck = drill.told("why --workflow mail", &["(since "]);
    let since = the_one(&stuck, "reason", "paused")["oldest_since"].as_str().unwrap().to_owned();
    let sql = format!(
        "select min(j.since) = '{since}'::timestamptz and min(j.since) >= '{}'::timestamptz
         from piton.jobs j join piton.workflows w on w.id = j.workflow_id where w.name = 'mail'",
        drill.began
    );
    assert_eq!(drill.truth(&sql).await, json!(true), "{since}");
    let given_up = drill.told("dead-letter stats", &["first", "last"]);
    let sql = "select min(dead_at) from piton.dead_letters where class = 'auth_failure'";
    let first = drill.truth(sql).await;
    let told = &the_one(&given_up, "class", "auth_failure")["first_at"];
    assert_eq!(moment(told), moment(&first));
}

fn moment(value: &Value) -> chrono::DateTime<chrono::Utc> {
    value.as_str().unwrap().parse().unwrap()
}

async fn whose_fault_it_is(drill: &Drill) {
    let words = ["card expired", "no VAT number", "may not be charged", "crashed", "order/charge", "4 causes"];
    let causes = drill.told("dead-letter stats", &words);
    for (says, class) in [
        ("card expired", "invalid_input"),
        ("no VAT number", "invalid_input"),
        ("may not be charged", "auth_failure"),
        ("killed by", "crashed"),
    ] {
        let found: Vec<&Value> = causes
            .as_array()
            .unwrap()
            .iter()
            .filter(|cause| cause["message"].as_str().unwrap().contains(says))
            .collect();
        let [cause] = found.as_slice() else { panic!("{says} is one cause: {causes:#}") };
        let sql =
            format!("select count(*) from piton.dead_letters where class = '{class}' and message like '%{says}%'");
        assert_eq!((&cause["count"], &cause["class"]), (&drill.truth(&sql).await, &json!(class)), "{says}");
    }
    assert_eq!(causes.as_array().unwrap().len(), 4, "{causes:#}");
}

async fn how_many_customers_are_hit(drill: &Drill) {
    let words = ["with 5 values of input.tenant"];
    let hit = drill.told("dead-letter stats --class invalid_input --by input.tenant", &words);
    for tenant in TENANTS {
        let hits = Value::Array(of(&hit, "value", tenant).into_iter().cloned().collect());
        let sql = format!(
            "select count(*) from piton.dead_letters d join piton.runs r on r.id = d.run_id
             where d.class = 'invalid_input' and r.input::jsonb ->> 'tenant' = '{tenant}'"
        );
        assert_eq!(json!(sum(&hits, "count")), drill.truth(&sql).await, "{tenant}: {hit:#}");
    }
}

async fn what_a_retry_costs(drill: &Drill) {
    let costs =
        drill.told("dead-letter retry --class invalid_input --dry-run", &["Nothing was changed.", "order/charge"]);
    let letters = drill.truth("select count(*) from piton.dead_letters where class = 'invalid_input'").await;
    let attempts = drill
        .truth(
            "select count(*) from piton.attempts a join piton.dead_letters d
             on d.run_id = a.run_id and d.stage = a.stage and d.item = a.item where d.class = 'invalid_input'",
        )
        .await;
    assert_eq!((&costs["letters"], &costs["attempts"]), (&letters, &attempts), "{costs:#}");
    let seconds = drill
        .truth(
            "select sum(extract(epoch from a.ended_at - a.started_at)) from piton.attempts a join piton.dead_letters d
             on d.run_id = a.run_id and d.stage = a.stage and d.item = a.item where d.class = 'invalid_input'",
        )
        .await;
    assert!((costs["seconds"].as_f64().unwrap() - seconds.as_f64().unwrap()).abs() < 0.01, "{costs:#} {seconds}");
    // What is kept was paid for: the plan of each.
    assert_eq!(costs["kept"], letters, "{costs:#}");
    assert_eq!(drill.truth("select count(*) from piton.dead_letters where resolution <> 'pending'").await, json!(0));
}

async fn only_one_tenant(drill: &Drill) {
    let words = ["card expired", "no VAT number", "may not be charged"];
    let causes = drill.told("dead-letter stats --where input.tenant=acme", &words);
    let blocked = "select count(*) from piton.runs where state = 'blocked' and input::jsonb ->> 'tenant' = 'acme'";
    assert_eq!(json!(sum(&causes, "runs")), drill.truth(blocked).await, "{causes:#}");
    let runs = drill.says("runs --state blocked --where input.tenant=acme --limit 1000 --json");
    let runs: Vec<Value> = serde_json::from_str(&runs).unwrap();
    assert_eq!(json!(runs.len()), drill.truth(blocked).await);
}

async fn better_or_worse_what_holds_it_up_and_when_it_is_empty(drill: &Drill) {
    // Ten minutes ago nearly nothing was left of one, and of the others far more.
    let noted = "insert into piton.backlog (minute, workflow_id, jobs, seconds)
                 select date_trunc('minute', now() - interval '10 minutes'), t.id, 1, t.seconds
                 from (select 0 as id, 1 as seconds
                       union all select id, case name when 'mail' then 0.001 else 1000000 end
                       from piton.workflows where name in ('mail', 'scan')) as t";
    drill.world.pool.execute(noted).await.unwrap();
    let counted = async || -> bool {
        let done =
            "select coalesce((select sum(t.done) from piton.throughput t join piton.workflows w on w.id = t.workflow_id
                                     where w.name = 'scan'), 0) >= 10";
        drill.truth(done).await == json!(true)
    };
    until(SOON, "what was done is counted", counted).await;
    let words = [
        "scan: ",
        "better than ten minutes ago",
        "worse than ten minutes ago",
        "empty in about ",
        "the workflow is paused",
        "bottleneck: ",
    ];
    let told = drill.told("throughput", &words);
    let workflows = &told["workflows"];
    // As many as are left, each as long after the one before as those that are done.
    let left = "select (select count(*) from piton.jobs j join piton.workflows w on w.id = j.workflow_id where w.name = 'scan')
                * (extract(epoch from max(c.finished_at) - min(c.finished_at)) / (count(*) - 1))
                from piton.checkpoints c join piton.runs r on r.id = c.run_id join piton.workflow_versions v on v.id = r.version_id
                join piton.workflows w on w.id = v.workflow_id where w.name = 'scan'";
    let left = drill.truth(left).await.as_f64().unwrap();
    let scan = the_one(workflows, "workflow", "scan");
    let empty = scan["empty_seconds"].as_f64().unwrap();
    assert!(empty > left * 0.5 && empty < left * 2.0, "in {left} s, as they have gone so far: {scan:#}");
    assert_eq!((&scan["trend"], &scan["bottleneck_hold"]), (&json!("better"), &json!("limit")), "{scan:#}");
    let mail = the_one(workflows, "workflow", "mail");
    let told = (&mail["trend"], &mail["bottleneck"], &mail["why_not_empty"], &mail["waiting"]);
    assert_eq!(told, (&json!("worse"), &json!("send"), &json!("the workflow is paused"), &json!(7)), "{mail:#}");
    let render = the_one(workflows, "workflow", "render");
    assert_eq!((&render["waiting"], &render["running"]), (&json!(4), &json!(1)), "{render:#}");
}

async fn what_has_changed(drill: &Drill) {
    let words = ["mail", "anna", "provider_down", "card expired", "night"];
    let changes = drill.told(&format!("changes --since {}", drill.began), &words);
    let of_kind = |kind: &str| json!(of(&changes, "kind", kind).len());
    let fingerprints = "select count(distinct fingerprint) from piton.dead_letters";
    assert_eq!(of_kind("cause"), drill.truth(fingerprints).await, "{changes:#}");
    assert_eq!(of_kind("pause"), drill.truth("select count(*) from piton.pauses").await, "{changes:#}");
    assert_eq!(of_kind("version"), drill.truth("select count(*) from piton.workflow_versions").await, "{changes:#}");
    assert_eq!(of_kind("batch"), drill.truth("select count(*) from piton.batches").await, "{changes:#}");
}

/// The whole fleet is killed at once. What is retried meanwhile waits for the next worker.
async fn nobody_is_left(drill: Drill) {
    let Drill { worker, _provider, world, began } = drill;
    worker.kill();
    until(SOON, "its lease is over", async || {
        world.count("select count(*) from piton.workers where last_seen > now() - lease").await == 0
    })
    .await;
    let worker = Process::spawn(std::process::Command::new("true"), world.path("none.log"));
    let drill = Drill { worker, _provider, world, began };
    let workers = drill.told("workers", &["silent for", "No worker is alive. Start one with:"]);
    assert!(of(&workers, "state", "alive").is_empty(), "{workers:#}");
    let held = "select count(*) from piton.jobs j join piton.workers k on k.id = j.worker_id where k.name = 'w1'";
    let held = drill.truth(held).await;
    assert_eq!(the_one(&workers, "worker", "w1")["jobs"], held, "{workers:#}");
    let stuck = drill.told("why", &["silent for", " worker"]);
    assert!(of(&stuck, "reason", "running").is_empty(), "nothing runs: {stuck:#}");
    // The one of `scan` may have been between two jobs.
    let silent = Value::Array(of(&stuck, "reason", "silent").into_iter().cloned().collect());
    assert_eq!(json!(sum(&silent, "jobs")), held, "{stuck:#}");
    assert!(of(&silent, "workflow", "render").len() == 1, "{stuck:#}");

    let causes = drill.told("dead-letter stats --where input.tenant=acme", &[]);
    let card = causes.as_array().unwrap().iter().find(|cause| cause["message"].as_str().unwrap().contains("card"));
    let card = card.unwrap()["fingerprint"].as_str().unwrap();
    let retried = drill.says(&format!("dead-letter retry --fingerprint {card} --where input.tenant=acme --json"));
    let sql = "select count(*) from piton.dead_letters d join piton.runs r on r.id = d.run_id
               where d.resolution = 'retried' and r.input::jsonb ->> 'tenant' = 'acme' and d.message like '%card expired%'";
    let of_acme = drill.truth(sql).await;
    assert!(of_acme.as_i64() > Some(0));
    assert_eq!(serde_json::from_str::<Value>(&retried).unwrap(), json!({"retried": of_acme}));
    assert_eq!(drill.truth("select count(*) from piton.dead_letters where resolution <> 'pending'").await, of_acme);
}

#[tokio::test]
async fn in_a_mess_each_question_of_the_night_is_one_command_and_its_answer_is_true() {
    drill(300).await;
}

#[tokio::test]
#[ignore = "two thousand programs take a minute"]
async fn in_a_mess_of_two_thousand_each_question_is_one_command_and_its_answer_is_true() {
    drill(2000).await;
}
