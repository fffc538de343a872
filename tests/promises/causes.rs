//! Whose fault it is, whom it hits, and what a retry costs: dead letters by cause, told apart by the runs' inputs.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};

use crate::api::client::Api;
use crate::harness::{SOON, World, stdout, until};
use crate::workflows::{MISBEHAVE, SQUARES};

/// Is refused with the words that its input holds.
const ORDER: &str = r#"
name = "order"
[stages.plan]
rust = "echo"
[stages.charge]
command = ["sh", "-c", "echo \"$0\" >&2; exit 65", "{{input.says}}"]
needs = ["plan"]
concurrency = 2
rate = "600/1m"
[stages.ship]
rust = "echo"
needs = ["charge"]
"#;

fn says(world: &World, arguments: &[&str]) -> String {
    stdout(&world.command(arguments).output().unwrap())
}

fn json(world: &World, arguments: &[&str]) -> Value {
    serde_json::from_str(&says(world, &[arguments, &["--json"]].concat())).unwrap()
}

fn refused(world: &World, arguments: &[&str]) -> String {
    let output = world.command(arguments).output().unwrap();
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Orders of three customers, given up for two causes.
async fn orders(world: &World) {
    let orders = [
        ("acme", 10, r#"{\"error\":\"card expired\",\"request\":\"req_8fJk2Lm9Qa\"}"#),
        ("acme", 20, r#"{\"error\":\"card expired\",\"request\":\"req_1Zx81nVbTr\"}"#),
        ("acme", 30, r#"{\"error\":\"customer has no VAT number\",\"request\":\"req_77aKd82hU1\"}"#),
        ("globex", 10, r#"{\"error\":\"card expired\",\"request\":\"req_9aKd82hUw1\"}"#),
        ("initech", 10, r#"{\"error\":\"card expired\",\"request\":\"req_Bb71jjQ0zL\"}"#),
    ];
    for (tenant, amount, says) in orders {
        let input = format!(
            r#"{{"tenant": "{tenant}", "amount": {amount}.0, "lines": [{{"id": "{amount}"}}], "says": "{says}"}}"#
        );
        world.start("order", &input);
    }
    let _worker = world.worker("w1", &[]);
    let blocked = async || world.count("select count(*) from piton.runs where state = 'blocked'").await == 5;
    until(SOON, "all are given up", blocked).await;
}

/// Keys of groups, and how many dead letters and runs they have.
fn counted(groups: &Value, key: &str) -> Vec<(String, String, i64, i64)> {
    let groups = groups.as_array().unwrap().iter();
    let text = |group: &Value, key: &str| group[key].as_str().unwrap_or("-").to_owned();
    let cause = |group: &Value| {
        text(group, "message").split("\"error\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    groups.map(|g| (text(g, key), cause(g), g["count"].as_i64().unwrap(), g["runs"].as_i64().unwrap())).collect()
}

fn own(rows: &[(&str, &str, i64, i64)]) -> Vec<(String, String, i64, i64)> {
    rows.iter().map(|(key, cause, count, runs)| ((*key).to_owned(), (*cause).to_owned(), *count, *runs)).collect()
}

#[tokio::test]
async fn a_cause_is_counted_by_whom_it_hits_and_only_theirs_is_retried() {
    let world = World::with(&[ORDER]).await;
    orders(&world).await;
    let (card, vat) = ("card expired", "customer has no VAT number");
    let stats = json(&world, &["dead-letter", "stats"]);
    assert_eq!(counted(&stats, "stage"), own(&[("charge", card, 4, 4), ("charge", vat, 1, 1)]));
    let of_whom = json(&world, &["dead-letter", "stats", "--by", "input.tenant"]);
    let hit = [("acme", card, 2, 2), ("initech", card, 1, 1), ("globex", card, 1, 1), ("acme", vat, 1, 1)];
    let mut found = counted(&of_whom, "value");
    let mut hit = own(&hit);
    found.sort();
    hit.sort();
    assert_eq!(found, hit);
    let by_workflow = json(&world, &["dead-letter", "stats", "--by", "workflow", "--where", "input.tenant=acme"]);
    assert_eq!(counted(&by_workflow, "workflow"), own(&[("order", card, 2, 2), ("order", vat, 1, 1)]));
    let by_hour = json(&world, &["dead-letter", "stats", "--by", "hour"]);
    assert!(by_hour.as_array().unwrap().iter().all(|group| group["hour"].is_string()), "{by_hour}");
    let told = says(&world, &["dead-letter", "stats", "--by", "input.tenant"]);
    assert!(told.contains("5 dead letters of 5 runs, 2 causes, with 3 values of input.tenant."), "{told}");

    // A view for whoever asks in SQL, and the same answer.
    let fingerprint = stats[0]["fingerprint"].as_str().unwrap();
    let seen: Vec<(String, String, i64, i64, bool)> = sqlx::query_as(
        "select c.fingerprint, c.stage, c.letters, c.runs, c.example = d.message
         from piton.causes_overview c join piton.dead_letters d on d.id = c.example_id order by c.letters desc",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert_eq!((seen.len(), &seen[0]), (2, &(fingerprint.to_owned(), "charge".to_owned(), 4, 4, true)));

    let acme = ["--fingerprint", fingerprint, "--where", "input.tenant=acme"];
    assert_eq!(json(&world, &[&["dead-letter", "list"], &acme[..]].concat()).as_array().unwrap().len(), 2);
    assert_eq!(json(&world, &[&["dead-letter", "retry"], &acme[..]].concat()), json!({"retried": 2}));
    let retried = world.count(
        "select count(*) from piton.dead_letters_overview where resolution = 'retried'
         and run_input ->> 'tenant' = 'acme' and message like '%card expired%'",
    );
    assert_eq!(retried.await, 2);
    assert_eq!(world.count("select count(*) from piton.dead_letters where resolution = 'retried'").await, 2);
    let dismissed = ["dead-letter", "dismiss", "--where", "input.tenant=globex", "--reason", "gone"];
    assert_eq!(json(&world, &dismissed), json!({"dismissed": 1}));
}

#[tokio::test]
async fn conditions_on_inputs_are_asked_for_on_every_face_and_all_of_them_have_to_hold() {
    let world = World::with(&[ORDER]).await;
    orders(&world).await;
    let runs = |conditions: &[&str]| {
        let asked: Vec<&str> = conditions.iter().flat_map(|condition| ["--where", condition]).collect();
        json(&world, &[&["runs"], &asked[..]].concat()).as_array().unwrap().len()
    };
    for (conditions, found) in [
        (&["input.tenant=acme"][..], 3),
        (&["input.tenant=acme", "input.amount=10"], 1),
        (&["input.amount=1e1"], 3),
        (&["input.lines[0].id=10"], 3),
        // Digits in a string are a string.
        (&["input.lines[0].id=10.0"], 0),
        (&["input.tenant=Acme"], 0),
        (&["input.tenant=' or true --"], 0),
        (&["input.nothing="], 0),
        (&[r#"input["tenant"]=globex"#], 1),
    ] {
        assert_eq!(runs(conditions), found, "{conditions:?}");
    }
    let wrong = refused(&world, &["runs", "--where", "tenant=acme"]);
    assert!(wrong.contains("a path begins with `input`, such as input.tenant"), "{wrong}");
    let none = says(&world, &["runs", "--where", "input.tenant=nobody"]);
    assert!(none.starts_with("No run "), "{none}");

    let api = Api::of(&world).await;
    let of = |path: &str, key: &str| api.get(path).good()[key].as_array().unwrap().len();
    assert_eq!(of("/runs?where=input.tenant%3Dacme&limit=10&where=input.amount%3D20", "runs"), 1);
    assert_eq!(of("/dead-letters?where=input.tenant=acme", "dead_letters"), 3);
    let stats = api.get("/dead-letters/stats?by=input.tenant&where=input.amount=10").good();
    assert_eq!((stats["causes"].as_array().unwrap().len(), &stats["all"]["groups"]), (3, &json!(3)));
    let preview = api.get("/dead-letters/retry-preview?where=input.tenant=acme").good();
    assert_eq!(preview["stages"][1]["letters"], 3, "{preview}");
    let filter = json!({"where": ["input.tenant=acme", "input.amount=20.0"]});
    assert_eq!(api.post("/dead-letters/retry", &json!({"filter": filter})).good(), json!({"retried": 1}));
    for path in ["/runs?where=tenant=acme", "/runs?where=input.a=1&where=input..b=2", "/dead-letters/stats?by=tenant"] {
        assert_eq!(api.get(path).problem().0, 400, "{path}");
    }
}

#[tokio::test]
async fn a_value_is_what_json_says_it_is() {
    let world = World::with(&[]).await;
    let cases = [
        (r#"{"a": "x"}"#, "{a}", "x", true),
        (r#"{"a": 5}"#, "{a}", "5", true),
        (r#"{"a": 5}"#, "{a}", "5.00", true),
        (r#"{"a": 12345678901234567890}"#, "{a}", "12345678901234567891", false),
        (r#"{"a": "5"}"#, "{a}", "5.0", false),
        (r#"{"a": true}"#, "{a}", "true", true),
        (r#"{"a": null}"#, "{a}", "null", true),
        (r#"{"b": null}"#, "{a}", "null", false),
        (r#"{"a": {"b": [1, 2]}}"#, "{a,b,1}", "2", true),
        (r#""x""#, "{}", "x", true),
        (r#"{"a": "\u00e4"}"#, "{a}", "ä", true),
        // Numbers that Postgres cannot hold, and texts that older releases took.
        (r#"{"a": 1e999999}"#, "{a}", "5", false),
        (r#"{"a": "\ud800", "b": 1}"#, "{b}", "1", false),
    ];
    for (input, path, value, fits) in cases {
        let found: bool = sqlx::query_scalar("select piton.input_fits($1::json, array[$2], array[$3])")
            .bind(input)
            .bind(path)
            .bind(value)
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert_eq!(found, fits, "{input} {path} {value}");
    }
}

#[tokio::test]
async fn what_a_retry_costs_is_said_before_and_changes_nothing() {
    let squares = SQUARES.replace("[stages.square]", "[stages.square]\nretry = { max_retries = 0 }");
    let world = World::with(&[&squares, ORDER]).await;
    let worker = world.worker("w1", &[]);
    let run = world.start("squares", r#"{"items": 20, "fails_once_every": 5}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    let stage = |report: &Value, name: &str| {
        let found = report["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == name);
        let found = found.unwrap_or_else(|| panic!("{name} is not in {report}"));
        ["kept", "again", "first_time", "attempts"].map(|key| found[key].as_i64().unwrap())
    };
    let retry = ["dead-letter", "retry", "--run", &run];
    let goes_on = json(&world, &[&retry, &["--dry-run"][..]].concat());
    assert_eq!((&goes_on["letters"], &goes_on["again"], &goes_on["attempts"]), (&json!(4), &json!(4), &json!(4)));
    assert_eq!(stage(&goes_on, "numbers"), [1, 0, 0, 0]);
    assert_eq!(stage(&goes_on, "square"), [16, 4, 0, 4]);
    assert_eq!(stage(&goes_on, "sum"), [0, 0, 1, 0]);
    let again = json(&world, &[&retry, &["--from", "numbers", "--dry-run"][..]].concat());
    assert_eq!((stage(&again, "numbers"), stage(&again, "square")), ([0, 1, 0, 1], [0, 20, 0, 20]));
    let beginning = json(&world, &[&retry, &["--from-beginning", "--dry-run"][..]].concat());
    assert_eq!(beginning["again"], 21);
    let no_stage = refused(&world, &[&retry, &["--from", "sum", "--dry-run"][..]].concat());
    assert!(no_stage.contains("does not come after stage \"sum\""), "{no_stage}");
    let told = says(&world, &[&retry, &["--dry-run"][..]].concat());
    assert!(told.contains("lets 4 dead letters go on and keeps 17 checkpoints"), "{told}");
    assert!(told.contains("4 jobs would run again. They had 4 attempts so far"), "{told}");

    // Nothing was changed by asking, and what was said is what happens.
    assert_eq!(world.state(&run).await, "blocked");
    assert_eq!(world.count("select count(*) from piton.audit").await, 0);
    let before = world.journal().len();
    assert_eq!(json(&world, &retry), json!({"retried": 4}));
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.journal().len() - before, 4 + 1, "the four items, and the stage that comes after them");

    // Limits and pauses that it would meet.
    worker.kill();
    orders(&world).await;
    says(&world, &["pause", "order", "--stage", "charge", "--reason", "x"]);
    let order = json(&world, &["dead-letter", "retry", "--workflow", "order", "--dry-run"]);
    let charge = order["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == "charge").unwrap();
    assert_eq!((&charge["limits"], &charge["paused"]), (&json!("2 at once, 600 in 1 min"), &json!(true)));
    assert!(charge["least_seconds"].as_f64().unwrap() >= 0.5, "5 attempts at 10 in a second: {charge}");
}

/// Word for word, but for the flag.
#[tokio::test]
async fn a_dry_run_refuses_whatever_the_retry_would_refuse() {
    const LONG: &str = "name = \"long\"\n[input]\ntopic = \"string\"\nhow = \"string\"\ntimes = \"integer\"\nclass = \"string\"\n[stages.first]\nrust = \"work\"\n[stages.second]\n\
                        rust = \"misbehave\"\nneeds = [\"first\"]\n[stages.third]\nrust = \"work\"\nneeds = [\"second\"]\n";
    let world = World::with(&[LONG]).await;
    let _worker = world.worker("w1", &[]);
    let input = json!({"topic": "t", "how": "fail", "times": 9, "class": "invalid_input"});
    let runs: Vec<String> = (0..3).map(|_| world.start("long", &input.to_string())).collect();
    for run in &runs {
        assert_eq!(world.ended(run).await, "blocked");
    }
    let mut ids: Vec<String> = Vec::new();
    for run in &runs {
        let sql =
            "select d.id::text from piton.dead_letters d join piton.runs r on r.id = d.run_id where r.uuid = $1::uuid";
        ids.push(sqlx::query_scalar(sql).bind(run).fetch_one(&world.pool).await.unwrap());
    }
    says(&world, &["dead-letter", "dismiss", &ids[1], "--reason", "done with"]);
    // What its second stage needs is gone, as after a clean-up by hand.
    let sql = "delete from piton.checkpoints k using piton.runs r where r.id = k.run_id and r.uuid = $1::uuid";
    sqlx::query(sql).bind(&runs[2]).execute(&world.pool).await.unwrap();
    let file = |name: &str, text: &str| {
        let path = world.path(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (good, broken) = (
        file("good", r#"{"topic": "another", "how": "fail", "times": 0, "class": "unknown"}"#),
        file("broken", r#"{"topic": "#),
    );
    let (other, nowhere) = (file("other", r#"{"topic": 7}"#), "/nowhere/input.json".to_owned());
    let none = "0198c0de-0000-7000-8000-000000000000";
    let cases: Vec<Vec<&str>> = vec![
        vec![none],
        vec![none, "--input", &good],
        vec![&ids[1]],
        vec![&ids[0], "--input", &broken],
        vec![&ids[0], "--input", &other],
        vec![&ids[0], "--input", &nowhere],
        vec![&ids[0], "--from", "nope"],
        vec![&ids[0], "--from", "third"],
        vec![&ids[2], "--from", "second"],
        vec!["--workflow", "long", "--from", "second"],
        vec!["--workflow", "long", "--input", &good],
        vec!["--workflow", "nope"],
        vec![&ids[0], "--workflow", "long"],
        vec![],
    ];
    let before = world.count("select count(*) from piton.audit").await;
    for case in &cases {
        let retry = [&["dead-letter", "retry"][..], case].concat();
        let dry = refused(&world, &[&retry[..], &["--dry-run"]].concat());
        assert_eq!(dry, refused(&world, &retry), "{case:?}");
        assert!(dry.starts_with("error: "), "{dry}");
    }
    let fits = says(&world, &["dead-letter", "retry", &ids[0], "--input", &good, "--dry-run"]);
    assert!(fits.contains("The run would go on with the input that was given, which fits it."), "{fits}");
    assert_eq!(world.count("select count(*) from piton.audit").await, before, "nothing was changed");
    assert_eq!(world.state(&runs[0]).await, "blocked");
    says(&world, &["dead-letter", "retry", &ids[0], "--input", &good]);
    assert_eq!(world.ended(&runs[0]).await, "done");
}

#[tokio::test]
async fn fingerprints_of_an_older_piton_are_renewed_by_a_worker() {
    let world = World::with(&[MISBEHAVE]).await;
    let worker = world.worker("w1", &[]);
    let run = world.start("misbehave", r#"{"how": "fail", "times": 1, "class": "auth_failure"}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    worker.kill();
    let fingerprint = async || -> String {
        sqlx::query_scalar("select fingerprint from piton.dead_letters").fetch_one(&world.pool).await.unwrap()
    };
    let now = fingerprint().await;
    assert_eq!(now.len(), 12);
    // Who wrote the old one down is told where the new ones are.
    let asked = world.command(["dead-letter", "retry", "--fingerprint", "0123456789abcdef"]).output().unwrap();
    let note = String::from_utf8(asked.stderr).unwrap();
    assert!(note.contains("is of an older Piton") && note.contains("dead-letter stats"), "{note}");
    let old = "update piton.dead_letters set fingerprint = '0123456789abcdef'";
    world.pool.execute(AssertSqlSafe(old)).await.unwrap();
    let _worker = world.worker("w1", &["--cleanup-every", "100ms"]);
    until(SOON, "it is renewed", async || fingerprint().await == now).await;
}
