//! Stages that are a statement of SQL: what they change and their checkpoint land together, with the rights of a role of their own.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};

use crate::harness::{SOON, World, until};

/// A stage with that statement, under a role of this test's own.
fn load(role: &str, statement: &str, keys: &str) -> String {
    format!(
        "name = \"load\"\n[stages.load]\nsql = '''{statement}'''\nrole = \"{role}\"\n{keys}\n\
         retry = {{ resource_unavailable = {{ base = \"1ms\" }}, network_timeout = {{ max_retries = 0 }}, unknown = {{ max_retries = 0 }} }}\n"
    )
}

/// With a table that the role may write, and the name of the role.
async fn world() -> (World, String) {
    let world = World::with(&[]).await;
    let role = format!("etl_{}", world.database().0);
    let sql = format!(
        "create table public.loaded (run uuid, item int, attempt int, text text, amount numeric(30, 2), at date, ok boolean, more jsonb);
         create table public.secret (n int);
         create role {role} nologin;
         grant select, insert, update, delete on public.loaded to {role}"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&world.pool).await.unwrap();
    (world, role)
}

impl World {
    /// Runs that workflow to its end, on that input; its state, and what its attempts failed with.
    async fn end_of(&self, workflow: &str, input: &str) -> (String, Vec<String>) {
        self.write_workflows(&[workflow]);
        self.deploy("load");
        let worker = self.worker("w1", &[]);
        let run = self.start("load", input);
        let state = self.ended(&run).await;
        worker.kill();
        let said = "select class || ': ' || message from piton.attempts where outcome = 'failed'
                    and run_id = (select id from piton.runs where uuid = $1::uuid) order by attempt";
        (state, sqlx::query_scalar(said).bind(&run).fetch_all(&self.pool).await.unwrap())
    }

    async fn last_output(&self) -> Value {
        let sql = "select output from piton.checkpoints where item = -1 order by run_id desc, stage desc limit 1";
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }
}

#[tokio::test]
async fn a_statement_writes_what_its_input_says_as_parameters_and_its_rows_are_its_output() {
    let (world, role) = world().await;
    let input = json!({"text": "'); drop table public.loaded; --", "amount": 12345678901234567890.5, "at": "2026-01-31", "ok": true,
                       "nothing": null, "more": {"b": [1, "x"]}})
    .to_string()
    .replace("1.2345678901234567e19", "12345678901234567890.50");
    let statement = "insert into public.loaded as l (run, attempt, text, amount, at, ok, more)
        values ({{run.id}}, {{run.attempt}}, {{input.text}}, {{input.amount}}, {{input.at}}::date, {{input.ok}}, {{input.more}})
        returning text, amount, {{input.nothing}}::text as nothing, l.more ->> 'b' as b";
    let (state, said) = world.end_of(&load(&role, statement, ""), &input).await;
    assert_eq!((state.as_str(), said), ("done", vec![]));
    let row = json!({"text": "'); drop table public.loaded; --", "amount": 12345678901234567890.5, "nothing": null, "b": "[1, \"x\"]"});
    assert_eq!(world.last_output().await, json!({"rows": [row], "count": 1}));
    // Without rows that come back, how many there were; and rows of what a WITH has changed.
    for (statement, output) in [
        ("update public.loaded set ok = false", json!({"rows": [], "count": 1})),
        ("select text as n from public.loaded where text = {{input.none | \"x\"}}", json!({"rows": [], "count": 0})),
        (
            "with gone as (delete from public.loaded returning attempt), two as (values (1), (2))
             select attempt, two.column1 as n from gone, two order by 2 desc; -- both",
            json!({"rows": [{"attempt": 1, "n": 2}, {"attempt": 1, "n": 1}], "count": 2}),
        ),
    ] {
        let (state, said) = world.end_of(&load(&role, statement, ""), "{}").await;
        assert_eq!((state.as_str(), said), ("done", vec![]), "{statement}");
        assert_eq!(world.last_output().await, output, "{statement}");
    }
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn every_checkpoint_has_its_rows_once_wherever_the_worker_is_killed() {
    let (world, role) = world().await;
    let statement = "insert into public.loaded (run, item, attempt)
        select {{run.id}}, {{run.item}}, {{run.attempt}} from pg_sleep(0.02)";
    world.write_workflows(&[&load(&role, statement, "for_each = \"input\"")]);
    let first = world.worker("w1", &["--slots", "4"]);
    let run = world.start("load", &json!((0..80).collect::<Vec<_>>()).to_string());
    first.kill();
    let apart = "select count(*)
        from (select r.uuid as run, k.item, k.attempt, count(*) as n from piton.checkpoints k
              join piton.runs r on r.id = k.run_id where k.item >= 0 group by 1, 2, 3) as k
        full join (select run, item, attempt, count(*) as n from public.loaded group by 1, 2, 3) as l using (run, item, attempt, n)
        where k.n is null or l.n is null or l.n > 1";
    for kill in 0..8_u64 {
        let before = world.count("select count(*) from public.loaded").await;
        let victim = world.worker("w1", &["--slots", "4"]);
        until(SOON, "rows are there", async || {
            world.count("select count(*) from public.loaded").await > before
                || world.count("select count(*) from piton.jobs").await == 0
        })
        .await;
        tokio::time::sleep(std::time::Duration::from_millis(7 * kill)).await;
        if kill % 2 == 1 {
            world.cut_sessions().await;
        }
        victim.kill();
        assert_eq!(world.count(apart).await, 0, "kill {kill}");
    }
    let _worker = world.worker("w1", &["--slots", "4"]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!((world.count("select count(*) from public.loaded").await, world.count(apart).await), (80, 0));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_statement_that_fails_keeps_nothing_and_fails_by_its_class() {
    let (world, role) = world().await;
    let long = "timeout = \"1s\"";
    for (statement, keys, said) in [
        ("insert into public.loaded (item) select 1/0", "", "invalid_input: division by zero"),
        (
            "insert into public.loaded (item) values ({{input.text}})",
            "",
            "invalid_input: column \"item\" is of type integer",
        ),
        ("insert into public.nowhere values (1)", "", "invalid_input: relation \"public.nowhere\" does not exist"),
        ("insert public.loaded", "", "invalid_input: syntax error at or near \"public\""),
        (
            "insert into public.secret values (1)",
            "",
            "auth_failure: permission denied for table secret; the statement runs as the role",
        ),
        (
            "update piton.jobs set attempt = 9",
            "",
            "auth_failure: permission denied for schema piton; the statement runs as",
        ),
        (
            "select repeat('x', 2000000) as x",
            "",
            "invalid_input: the statement returns more than 1048576 bytes of rows",
        ),
        ("select pg_sleep(60)", long, "network_timeout: the statement took longer than 1 s, the timeout of its stage"),
        ("select {{input.missing}}", "", "invalid_input: `input.missing` is not in the stage's input"),
    ] {
        let (state, found) = world.end_of(&load(&role, statement, keys), r#"{"text": "x"}"#).await;
        assert_eq!((state.as_str(), found.len()), ("blocked", 1), "{statement}: {found:?}");
        assert!(found[0].starts_with(said), "{statement}: {found:?}");
    }
    // A constraint that is put off fails at the end, in the words of Postgres, and without a line of its source.
    let put_off = format!(
        "create table public.parents (id int primary key);
         create table public.children (parent int constraint orphan references public.parents deferrable initially deferred);
         grant select, insert on public.parents, public.children to {role}"
    );
    world.pool.execute(AssertSqlSafe(put_off)).await.unwrap();
    let (_, found) = world.end_of(&load(&role, "insert into public.children values (7)", ""), "{}").await;
    let said = "invalid_input: insert or update on table \"children\" violates foreign key constraint \"orphan\". \
                Key (parent)=(7) is not present in table \"parents\"";
    assert_eq!(found, [said]);
    assert_eq!(world.count("select count(*) from public.children").await, 0);
    assert_eq!(world.count("select count(*) from public.loaded").await, 0);
    assert_eq!(world.count("select count(*) from piton.checkpoints").await, 0);
    // A moment later it may go well: two that wait for each other.
    let deadlock =
        "with mine as (select pg_advisory_xact_lock(1 + {{run.item}} % 2)), slept as (select pg_sleep(0.1) from mine)
        insert into public.loaded (item) select {{run.item}} from slept, pg_advisory_xact_lock(2 - {{run.item}} % 2)";
    let keys = "for_each = \"input\"";
    let workflow = load(&role, deadlock, keys).replace("base = \"1ms\"", "base = \"50ms\", max_retries = 20");
    let (state, found) = world.end_of(&workflow, "[0, 1]").await;
    assert_eq!(state, "done", "{found:?}");
    assert!(found.iter().all(|said| said.starts_with("resource_unavailable: ")) && !found.is_empty(), "{found:?}");
    world.pool.execute("delete from public.loaded").await.unwrap();
}

#[tokio::test]
async fn a_row_that_is_far_too_long_costs_the_worker_no_memory() {
    let (world, role) = world().await;
    let long = "with a as (insert into public.loaded (text) values ('x') returning 1)
                select repeat('ü', 100000000) as text, (select count(*) from a) as n";
    world.write_workflows(&[&load(&role, long, "")]);
    world.deploy("load");
    let worker = world.worker("w1", &[]);
    let run = world.start("load", "{}");
    assert_eq!(world.ended(&run).await, "blocked");
    let said: String = sqlx::query_scalar("select message from piton.attempts").fetch_one(&world.pool).await.unwrap();
    assert!(said.starts_with("the statement returns more than 1048576 bytes of rows"), "{said}");
    assert_eq!(world.count("select count(*) from public.loaded").await, 0);
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 150 << 10, "the worker had {peak} KiB");
}

#[tokio::test]
async fn nothing_that_a_statement_does_to_its_session_is_there_for_the_next_one() {
    let (world, role) = world().await;
    let deeds = [
        "pg_advisory_lock(77)",
        "set_config('default_transaction_read_only', 'on', false)",
        "set_config('search_path', 'nowhere', false)",
        "set_config('timezone', 'Asia/Tokyo', false)",
    ];
    let statement = format!("select {}", deeds.join(", "));
    world.write_workflows(&[&load(&role, &statement, "")]);
    world.deploy("load");
    let _worker = world.worker("w1", &[]);
    // More than there are connections for stages.
    for _ in 0..9 {
        let run = world.start("load", "{}");
        assert_eq!(world.ended(&run).await, "done");
    }
    let failed = "select class || ': ' || message from piton.attempts where outcome = 'failed'";
    let failed: Vec<String> = sqlx::query_scalar(failed).fetch_all(&world.pool).await.unwrap();
    assert_eq!(failed, [""; 0]);
    let held = "select count(*) from pg_locks where locktype = 'advisory' and objid = 77";
    until(SOON, "no session keeps the lock", async || world.count(held).await == 0).await;
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_role_that_is_not_there_or_may_do_too_much_is_refused_with_the_cure() {
    let (world, role) = world().await;
    let name = world.database().0;
    let sql = format!(
        "create role mighty_{name} superuser nologin; create role maker_{name} createrole nologin;
         create role engine_{name} nologin in role piton_worker; create role stranger_{name} nologin;
         create role plain_{name} login; grant piton_worker, {role} to plain_{name}"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&world.pool).await.unwrap();
    for (role, said) in [
        (format!("nobody_{name}"), format!("there is no role \"nobody_{name}\" in the database; make it, ")),
        (format!("mighty_{name}"), format!("the role \"mighty_{name}\" is a superuser, or makes roles")),
        (format!("maker_{name}"), format!("the role \"maker_{name}\" is a superuser, or makes roles")),
        (format!("engine_{name}"), format!("the role \"engine_{name}\" can change Piton's own tables")),
        (format!("plain_{name}"), format!("the role \"plain_{name}\" can change Piton's own tables")),
    ] {
        let (state, found) = world.end_of(&load(&role, "insert into public.loaded (item) values (1)", ""), "{}").await;
        assert_eq!((state.as_str(), found.len()), ("blocked", 1), "{found:?}");
        assert!(found[0].starts_with(&format!("auth_failure: {said}")), "{found:?}");
    }
    assert_eq!(world.count("select count(*) from public.loaded").await, 0);
    // A worker that is no superuser must be a member.
    let mut own = world;
    let url = own.url.clone();
    own.environment.push(("DATABASE_URL", url.replace("user=piton", &format!("user=plain_{name}"))));
    let stranger = load(&format!("stranger_{name}"), "insert into public.loaded (item) values (1)", "");
    let (state, found) = own.end_of(&stranger, "{}").await;
    assert_eq!(state, "blocked");
    let cure = format!("let it be:  grant \"stranger_{name}\" to \"plain_{name}\";");
    assert!(found[0].contains("the worker is no member of the role") && found[0].ends_with(&cure), "{found:?}");
    let (state, found) = own.end_of(&load(&role, "insert into public.loaded (item) values (1)", ""), "{}").await;
    assert_eq!((state.as_str(), found), ("done", vec![]), "and with the rights of a worker it works");
    assert_eq!(own.count("select count(*) from public.loaded").await, 1);
}
