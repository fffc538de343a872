//! What people are told is short, in plain words, and says what to do.

use serde_json::json;
use sqlx::postgres::PgDatabaseError;
use sqlx::{AssertSqlSafe, Executor};

use crate::api::client::Api;
use crate::harness::{World, stdout};
use crate::workflows::WORK;

/// What the database refuses, with its hint.
async fn refused(world: &World, sql: &str) -> String {
    let error = world.pool.execute(AssertSqlSafe(sql.to_owned())).await.expect_err(sql);
    let sqlx::Error::Database(said) = &error else { panic!("{error}") };
    let said = said.downcast_ref::<PgDatabaseError>();
    format!("{} | {}", said.message(), said.hint().unwrap_or_default())
}

#[tokio::test]
async fn a_reason_and_a_name_of_any_length_are_refused_at_every_face_with_the_limit() {
    let world = World::with(&[WORK]).await;
    let run = world.start("work", "{}");
    let (long, name) = ("repeat('x', 50000000)", "repeat('n', 5000)");
    let letter = "gen_random_uuid()";
    for call in [
        format!("piton.pause({long}, 'work')"),
        format!("piton.resume('work', reason => {long})"),
        format!("piton.cancel_run('{run}', {long})"),
        format!("piton.hold_run('{run}', {long})"),
        format!("piton.dismiss_dead_letter({letter}, {long})"),
        format!("piton.retry_dead_letter({letter}, note => {long})"),
        format!("piton.retry_dead_letters(array[{letter}], note => {long})"),
        format!("piton.force_dead_letter('{run}', 'work', {long})"),
        format!("piton.deploy_workflow('work', 'abcdef', {long})"),
        format!("piton.rollback_workflow('work', reason => {long})"),
        format!("piton.cancel_batch('b', {long})"),
    ] {
        let said = refused(&world, &format!("select {call}")).await;
        assert!(
            said.starts_with("a reason has 2000 characters at most, and this one has 50000000 | Say"),
            "{call}: {said}"
        );
    }
    for call in [
        format!("piton.pause('x', 'work', actor => {name})"),
        format!("piton.resume('work', actor => {name})"),
        format!("piton.cancel_run('{run}', 'x', {name})"),
        format!("piton.release_run('{run}', {name})"),
        format!("piton.keep('runs', 'done', '1 day', actor => {name})"),
        format!("piton.plan_cleanup(actor => {name})"),
        format!("piton.start_batch('b', 'work', array['{{}}']::json[], actor => {name})"),
    ] {
        let said = refused(&world, &format!("select {call}")).await;
        assert!(said.starts_with("a name has 200 characters at most, and this one has 5000 | Say"), "{call}: {said}");
    }
    // Whoever writes rows without the verbs is held to it as well.
    let rows = format!("insert into piton.audit (actor, verb, subject_kind, subject) values ({name}, 'v', 'k', 's')");
    assert!(refused(&world, &rows).await.contains("audit_actor_is_short"));
    assert_eq!(world.count("select count(*) from piton.audit").await, 0);

    let (long, name) = ("x".repeat(100_000), "n".repeat(5000));
    for (arguments, words) in [
        (vec!["cancel", &run, "--reason", &long], "a reason has 2000 characters at most, and this one has 100000"),
        (
            vec!["pause", "work", "--reason", "x", "--by", &name],
            "a name has 200 characters at most, and this one has 5000",
        ),
        (vec!["dead-letter", "retry", "--all", "--note", &long], "a reason has 2000 characters at most"),
    ] {
        let output = world.command(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words) && said.len() < 1000, "{said}");
    }
    let api = Api::of(&world).await;
    let answer = api.post("/pauses", &json!({"reason": long}));
    assert_eq!(answer.problem().0, 400);
    assert!(answer.json()["detail"].as_str().unwrap().contains("a text has 2000 characters at most"), "{answer:?}");
    assert_eq!(world.count("select count(*) from piton.audit").await, 0);
}

#[tokio::test]
async fn what_was_typed_is_quoted_briefly_by_commands_and_functions() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    let long = "7".repeat(4000);
    let setting = format!("{long}.={long}");
    let lines = world.path("lines");
    std::fs::write(&lines, "{}\n").unwrap();
    for arguments in [
        vec!["run", &long],
        vec!["start", &long],
        vec!["start", "work", "--set", &setting],
        vec!["start", "work", "--set", &long],
        vec!["pause", &long, "--reason", "x"],
        vec!["pause", "work", "--stage", &long, "--reason", "x"],
        vec!["resume", &long],
        vec!["changes", "--workflow", &long],
        vec!["batch", "show", &long],
        vec!["batch", "start", &long, "work", "--input", "/dev/stdin"],
        vec!["batch", "start", "\u{1b}]0;x\u{7}\u{1b}[2J\u{202e}", "work", "--input", "/dev/stdin"],
        vec!["batch", "show", "\u{1b}[2J\u{202e}"],
        vec!["dead-letter", "show", "\u{1b}[2J\u{202e}"],
        vec!["workflows", "new", &long],
        vec!["workflows", "deploy", &long],
        vec!["workflows", "versions", &long],
        vec!["workflows", "rollback", "work", "--to", &long],
        vec!["cleanup", "keep", "runs", &long, "1d"],
        vec!["start", "work", "--traceparent", &long],
        vec!["health", "--at", &long],
    ] {
        let mut command = world.command(&arguments);
        if arguments.contains(&"/dev/stdin") {
            command.args(["--workflows", world.path("workflows").to_str().unwrap()]);
            command.stdin(std::fs::File::open(&lines).unwrap());
        }
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains(['\u{1b}', '\u{7}', '\u{202e}']), "it moves no cursor: {said:?}");
        let shown: Vec<&str> = arguments.iter().map(|argument| &argument[..argument.len().min(30)]).collect();
        assert!(!output.status.success(), "{shown:?}");
        assert!(said.len() < 1500 && !said.contains(&"7".repeat(450)), "{shown:?}: {said}");
    }
    for call in [
        "piton.start_run(X)",
        "piton.batch_named(X)",
        "piton.keep(X, 'done', '1 day')",
        "piton.pause('x', X)",
        "piton.start_run('work', traceparent => X)",
        "piton.open_batch(X || '!', 'work')",
        "piton.input_fits('{}', array[X], array['x'])",
        "piton.pause('x', 'work', X)",
    ] {
        let said = refused(&world, &format!("select {}", call.replace('X', "repeat('7', 4000)"))).await;
        assert!(said.len() < 700, "{call}: {said}");
    }
}

#[tokio::test]
async fn what_is_no_path_is_refused_in_the_words_of_piton() {
    let world = World::with(&[]).await;
    for path in ["tenant", "{a", "input.tenant"] {
        let said = refused(&world, &format!("select piton.input_fits('{{}}', array['{path}'], array['x'])")).await;
        assert!(said.contains(&format!("\"{path}\" is no path")) && !said.contains("malformed"), "{said}");
    }
    let fits =
        "select piton.input_fits('{\"a\": [{\"b\": 5}]}', array['{a,0,b}', null], array['5.0', 'x'])::int4::int8";
    assert_eq!(world.count(fits).await, 0, "nothing stands at no path");
}

#[tokio::test]
async fn refusals_end_with_what_to_type() {
    let world = World::with(&[WORK]).await;
    let run = world.start("work", "{}");
    let said = |arguments: &[&str]| {
        let output = world.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let program = crate::harness::example("test-worker").to_str().unwrap().to_owned();
        String::from_utf8(output.stderr).unwrap().replace(&program, "piton")
    };
    assert_eq!(said(&["resume", "work"]), "error: workflow \"work\" is not paused; see them with:  piton pauses\n");
    assert_eq!(
        said(&["workflows", "deploy", "work", "--digest", "abcdef"])
            .lines()
            .next()
            .unwrap()
            .rsplit_once("; ")
            .unwrap()
            .1,
        "see them with:  piton workflows versions work"
    );
    let everything = said(&["pause", "*", "--reason", "x"]);
    assert!(everything.starts_with("error: there is no workflow \"*\". There are: work"), "{everything}");
    assert!(everything.ends_with("piton pause --everything --reason \"...\"\n"), "{everything}");
    let deadline = said(&["start", "work", "--at", "2h", "--deadline", "1h"]);
    assert!(deadline.contains("would pass before it starts, at 20"), "{deadline}");
    stdout(&world.command(["cancel", &run, "--reason", "x"]).output().unwrap());
    let lists = refused(&world, "select piton.start_runs('work', array[['{}'], ['{}']]::json[])").await;
    assert!(lists.starts_with("the inputs must be a plain list, and this is an array of arrays | An input"), "{lists}");
    let batch = refused(&world, "select piton.start_batch('b', 'work', array[['{}'], ['{}']]::json[])").await;
    assert_eq!(batch, lists);
    let api = Api::of(&world).await;
    let detail = |path: &str| api.get(path).json()["detail"].as_str().unwrap().to_owned();
    assert_eq!(detail("/runs?limit=99999"), "the query: limit: a limit is between 1 and 1000");
    assert_eq!(detail("/changes?since=yesterday").split(':').nth(1), Some(" since"));
    let changes = api.get("/changes?workflow=work").good();
    assert_eq!(changes["changes"][0]["kind"], "schema", "{changes}");
}

#[tokio::test]
async fn an_output_has_one_zone_and_says_which() {
    let world = World::with(&[WORK]).await;
    let folder = world.path("workflows");
    let started = ["start", "work", "--at", "30h", "--workflows", folder.to_str().unwrap()];
    let run = stdout(&world.command(started).output().unwrap()).trim().to_owned();
    let said = |zone: &str, arguments: &[&str]| stdout(&world.command(arguments).env("TZ", zone).output().unwrap());
    // Times that the database has put into words, and those that commands do.
    let due: String = sqlx::query_scalar(
        "select to_char(due_at at time zone 'UTC' + interval '5.5 hours', 'YYYY-MM-DD HH24:MI:SS') from piton.jobs",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    for arguments in
        [&["why", &run][..], &["show", &run], &["runs"], &["why"], &["changes"], &["workflows", "versions", "work"]]
    {
        let there = said("IST-5:30", arguments);
        assert!(!there.contains("+00:00") && !there.contains("Z ") && !there.contains("Z\n"), "{arguments:?}: {there}");
        assert!(there.contains("+05:30"), "{arguments:?}: {there}");
        let utc = said("UTC", arguments);
        assert!(!utc.contains("+00:00") && (utc.contains('Z') || utc.contains("UTC")), "{arguments:?}: {utc}");
    }
    let why = said("IST-5:30", &["why", &run]);
    assert!(why.contains(&format!("{due}+05:30")), "{due}: {why}");
    let json = said("IST-5:30", &["runs", "--json"]);
    assert!(!json.contains("+05:30") && json.contains("Z\""), "programs get UTC: {json}");
}

/// As `piton` says them: the same table is in `view/when`.
#[tokio::test]
async fn sql_says_spans_as_every_other_face_does() {
    let world = World::with(&[]).await;
    for (span, words) in [
        ("-1 s", "0 ms"),
        ("7 ms", "7 ms"),
        ("1.25 s", "1.2 s"),
        ("2 s", "2 s"),
        ("61 s", "1 min 1 s"),
        ("2 min", "2 min"),
        ("62 min", "1 h 2 min"),
        ("2 h", "2 h"),
        ("1 day", "1 d"),
        ("27 h", "1 d 3 h"),
        ("30 days", "30 d"),
    ] {
        let sql = "select piton.span_words($1::text::interval)";
        let said: String = sqlx::query_scalar(sql).bind(span).fetch_one(&world.pool).await.unwrap();
        assert_eq!(said, words, "{span}");
    }
}
