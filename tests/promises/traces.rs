//! A run that is started within a trace is a part of it, and so is whatever its stages ask.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use serde_json::{Value, json};
use sqlx::postgres::PgDatabaseError;

use crate::harness::{Process, World, stdout};
use crate::http_server::{HttpServer, Request};
use crate::workflows::CHAIN;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const STATE: &str = "rojo=00f067aa0ba902b7, congo=t61rcWkgMzE";

/// A request, a program right behind it in the same slot, and a request for each of two items, which fails once.
const TRACED: &str = r#"
name = "traced"
[stages.ask]
http = "${API}/ask"
[stages.tell]
command = ["sh", "-c", 'printf "%s|%s" "$TRACEPARENT" "$TRACESTATE"']
output = "text"
needs = ["ask"]
[stages.each]
http = "${API}/each"
for_each = "input.items"
needs = ["tell"]
[stages.each.retry]
resource_unavailable = { base = "10ms" }
"#;

fn start(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> std::process::Output {
    let folder = world.path("workflows");
    let mut command = world.command(["start", "traced", "--workflows", folder.to_str().unwrap()]);
    command.args(["--set", "items=[1, 2]"]).args(arguments).envs(variables.iter().copied());
    command.env("API", "http://127.0.0.1:9").output().unwrap()
}

fn parts(traceparent: &str) -> (String, String, String) {
    let parts: Vec<&str> = traceparent.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { panic!("{traceparent} has four parts") };
    assert_eq!(version, "00");
    (trace.to_owned(), span.to_owned(), flags.to_owned())
}

/// What the stages of a run were given, told by their requests and by the program's output.
async fn given(world: &World, server: &HttpServer, run: &str) -> Vec<(String, Option<String>)> {
    assert_eq!(world.ended(run).await, "done");
    let told: Value = sqlx::query_scalar(
        "select k.output from piton.checkpoints k join piton.runs r on r.id = k.run_id
         where r.uuid = $1::uuid and k.stage = 1",
    )
    .bind(run)
    .fetch_one(&world.pool)
    .await
    .unwrap();
    let (parent, state) = told.as_str().unwrap().split_once('|').unwrap();
    let asked = server.requests();
    let of_run = |request: &&Request| request.header("idempotency-key").unwrap().starts_with(run);
    let header = |request: &Request, name| request.header(name).map(str::to_owned);
    let asked = asked.iter().filter(of_run).map(|r| (header(r, "traceparent").unwrap(), header(r, "tracestate")));
    let told = (parent.to_owned(), Some(state.to_owned()).filter(|state| !state.is_empty()));
    asked.chain([told]).collect()
}

#[tokio::test]
async fn every_stage_of_a_run_is_in_the_trace_that_it_was_started_in() {
    let known = Mutex::new(BTreeSet::new());
    let server = HttpServer::start(move |request, wire| {
        let key = request.header("idempotency-key").unwrap().to_owned();
        let fails = request.json()["item"] == 1 && known.lock().unwrap().insert(key);
        wire.answer(if fails { 503 } else { 200 }, &[], "null")
    });
    let world = World::with(&[TRACED]).await;
    let folder = world.path("workflows");
    let mut command = world.command(["worker", "--workflows", folder.to_str().unwrap()]);
    command.env("NO_PROXY", "*").env("API", server.url()).env("TRACEPARENT", "not the run's");
    let _worker = Process::spawn(command, world.path("w.log"));

    let asked_for = stdout(&start(&world, &["--traceparent", PARENT, "--tracestate", STATE], &[("TRACESTATE", "a=1")]));
    let inherited = stdout(&start(&world, &[], &[("TRACEPARENT", PARENT), ("TRACESTATE", "a=\u{e9}")]));
    let own = stdout(&start(&world, &[], &[("TRACEPARENT", "nonsense"), ("TRACESTATE", STATE)]));
    let in_sql: String = sqlx::query_scalar("select piton.start_run('traced', $1::json, traceparent => $2)::text")
        .bind(json!({"items": [1, 2]}))
        .bind(PARENT.replace("-00", "-09"))
        .fetch_one(&world.pool)
        .await
        .unwrap();

    let mut spans = BTreeSet::new();
    for (run, flags, state) in
        [(asked_for.trim(), "00", Some(STATE)), (inherited.trim(), "00", None), (in_sql.trim(), "01", None)]
    {
        let given = given(&world, &server, run).await;
        let mut of_run = BTreeMap::<String, usize>::new();
        for (parent, its_state) in &given {
            let (trace, span, its_flags) = parts(parent);
            assert_eq!((trace.as_str(), its_flags.as_str()), ("4bf92f3577b34da6a3ce929d0e0e4736", flags));
            assert_eq!(its_state.as_deref(), state);
            *of_run.entry(span).or_default() += 1;
        }
        assert_eq!(given.len(), 5, "a request, a program, and two items with three attempts");
        assert_eq!(of_run.len(), 4, "a span for each job: {given:?}");
        spans.extend(of_run.into_keys());
    }
    assert_eq!(spans.len(), 12, "and no span twice");
    let own = own.trim();
    for (parent, state) in given(&world, &server, own).await {
        let (trace, _, flags) = parts(&parent);
        assert_eq!((trace, flags.as_str(), state), (own.replace('-', ""), "01", None), "a trace of its own");
    }

    let shown = |run: &str| -> Value {
        serde_json::from_str(&stdout(&world.command(["show", run, "--json"]).output().unwrap())).unwrap()
    };
    let told = shown(asked_for.trim());
    assert_eq!((told["traceparent"].as_str(), told["tracestate"].as_str()), (Some(PARENT), Some(STATE)));
    assert_eq!(shown(own).get("traceparent"), None);
    let text = stdout(&world.command(["show", asked_for.trim()]).output().unwrap());
    assert!(text.contains(", in trace 4bf92f3577b34da6a3ce929d0e0e4736\n"), "{text}");
}

#[tokio::test]
async fn a_trace_that_is_none_is_refused_with_its_right_form_where_it_is_asked_for() {
    let world = World::with(&[TRACED]).await;
    let said = |arguments: &[&str]| {
        let output = start(&world, arguments, &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let before_usage = said.split("\n\nUsage:").next().unwrap().trim_end();
        format!("{before_usage}\nexit {}", output.status.code().unwrap())
    };
    let said = [
        said(&["--traceparent", "4bf92f3577b34da6"]),
        said(&["--traceparent", PARENT, "--tracestate", "no list"]),
        said(&["--tracestate", STATE]),
    ];
    insta::assert_snapshot!(said.join("\n"), @r"
    error: --traceparent: `4bf92f3577b34da6` is no traceparent; it looks like 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01: version, trace id and parent id (small hexadecimal digits, not all of them 0), flags
    exit 1
    error: --tracestate: a tracestate is a list like rojo=00f067aa0ba902b7,congo=t61rcWkgMzE in printable ASCII, of at most 512 characters
    exit 1
    error: the following required arguments were not provided:
      --traceparent <TRACEPARENT>
    exit 2
    ");
    assert_eq!(world.count("select count(*) from piton.runs").await, 0);
}

/// The command line and SQL hold it against the recommendation each for themselves.
#[tokio::test]
async fn sql_takes_the_traces_that_the_command_line_takes_and_refuses_the_others() {
    let world = World::with(&[TRACED, CHAIN]).await;
    world.start("chain", "{}");
    let later = PARENT.replacen("00", "cc", 1);
    let long = format!("a={}", "x".repeat(510));
    let cases: Vec<(String, String, bool)> = [
        (PARENT, "", true),
        (&PARENT.replace("-00", "-ff"), "", true),
        (&later, "", true),
        (&format!("{later}-more"), "", true),
        (&format!("{later}more"), "", false),
        (&format!("{PARENT}-more"), "", false),
        (&PARENT.replacen("00", "ff", 1), "", false),
        (&PARENT.to_uppercase(), "", false),
        (&PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)), "", false),
        (&PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)), "", false),
        (&PARENT.replacen('-', "_", 1), "", false),
        ("", "", false),
        (PARENT, STATE, true),
        (PARENT, ", a=1,,b@c=2 3 , ", true),
        (PARENT, &long, true),
        (PARENT, &format!("{long}x"), false),
        (PARENT, "a", false),
        (PARENT, "a=", false),
        (PARENT, "a=1=2", false),
        (PARENT, "a=\u{e9}", false),
        (PARENT, "a=1\nb=2", false),
    ]
    .map(|(parent, state, right): (&str, &str, bool)| (parent.to_owned(), state.to_owned(), right))
    .into();
    for (parent, state, right) in &cases {
        let output = start(&world, &["--traceparent", parent, "--tracestate", state], &[]);
        assert_eq!(output.status.success(), *right, "{parent} {state}");
        let sql = "select count(*) from piton.start_runs('chain', array['{}', '{}']::json[], 0, $1, $2)";
        let in_sql = sqlx::query(sql).bind(parent).bind(state).execute(&world.pool).await;
        assert_eq!(in_sql.is_ok(), *right, "{parent} {state}: {in_sql:?}");
    }
    let taken = cases.iter().filter(|(.., right)| *right).count();
    let kept = "select count(*) from (select traceparent, tracestate from piton.runs where traceparent is not null
                group by 1, 2 having count(*) % 3 = 0) as same";
    assert_eq!(world.count(kept).await, 5, "in the same form, of {taken} that were taken");
    let statements = [
        format!("select piton.start_run('chain', traceparent => '{}')", &PARENT[..20]),
        format!("select piton.start_run('chain', traceparent => '{PARENT}', tracestate => 'a')"),
        "select piton.start_run('chain', tracestate => 'a=1')".to_owned(),
    ];
    let mut said = Vec::new();
    for statement in statements {
        let error = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&world.pool).await.unwrap_err();
        let error = error.into_database_error().unwrap().downcast::<PgDatabaseError>();
        said.push(format!("{} {}\n  HINT: {}", error.code(), error.message(), error.hint().unwrap_or_default()));
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    22023 "00-4bf92f3577b34da6a" is no traceparent
      HINT: It looks like 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01: version, trace id and parent id (small hexadecimal digits, not all of them 0), flags.
    22023 this tracestate cannot be passed on
      HINT: It is a list like rojo=00f067aa0ba902b7,congo=t61rcWkgMzE in printable ASCII, of at most 512 characters.
    22023 there is a tracestate, and no traceparent that it belongs to
      HINT: Pass both of them on, or none.
    "#);
}
