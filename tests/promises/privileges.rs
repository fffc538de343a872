//! Who may do what in the database, and that nobody's names are taken for Piton's.

use std::collections::BTreeMap;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use crate::harness::{SOON, World, stdout, until};
use crate::server::Server;
use crate::workflows::{CHAIN, MISBEHAVE, SQUARES};

/// Functions that readers may call: views are made of them, and they change nothing.
const READ: &[&str] = &[
    "batch_named",
    "batch_results",
    "can_begin",
    "changes",
    "clock",
    "failed_in_a_row",
    "finite",
    "input_at",
    "input_fits",
    "is_measure",
    "is_sound_stage_times",
    "is_sound_throughput",
    "limit_heads",
    "limit_room",
    "limit_words",
    "live_jobs",
    "live_waits",
    "protection",
    "retry_preview",
    "run_waits",
    "some_of",
    "span_words",
    "stages_of",
    "store_owner",
    "unexplained_runs",
    "work_left",
];

/// What operators decide with.
const DECIDE: &[&str] = &[
    "add_to_batch",
    "begin_on_file",
    "cancel_batch",
    "cancel_batch_runs",
    "callback_token_of",
    "cancel_run",
    "check_input",
    "complete",
    "deploy_workflow",
    "discard_batch",
    "dismiss_dead_letter",
    "drop_schedule",
    "fail",
    "feed_batch",
    "force_dead_letter",
    "heartbeat",
    "hold_run",
    "is_same_input",
    "keep",
    "new_id",
    "open_batch",
    "pause",
    "pause_schedule",
    "pin_batch",
    "plan_cleanup",
    "release_run",
    "resume",
    "resume_schedule",
    "retry_batch",
    "retry_dead_letter",
    "retry_dead_letters",
    "rollback_workflow",
    "seal_batch",
    "set_schedule",
    "start_batch",
    "start_run",
    "start_run_on_files",
    "start_run_once",
    "start_runs",
    "stop_batch",
    "tick_input",
    "trace_parent",
    "trace_state",
    "signal",
    "trigger_schedule",
    "wake",
];

/// What only the engine calls.
const ENGINE: &[&str] = &[
    "answer_parent",
    "begin_child",
    "settle_children",
    "artifacts_deleted",
    "begin_cleanup",
    "claim_limited",
    "clean_batches",
    "clean_records",
    "clean_runs",
    "deploy_if_new",
    "end_overdue_runs",
    "feed_batches",
    "finish",
    "fire_schedules",
    "is_sound_job",
    "is_sound_run",
    "is_sound_trace",
    "leave_stages",
    "make_current",
    "open_callback",
    "open_queues",
    "plan_next_cleanup",
    "renew_fingerprints",
    "renew_stages",
    "run_under",
    "settle_artifacts",
    "outlook_state",
    "settle_throughput",
    "start_run_of",
    "state",
    "take_artifacts",
    "begin_round",
    "wait_is_spent",
    "settle_quorum",
    "settle_race",
    "wake_workers",
    "worker_room",
];

/// What functions call, and nobody else.
const INNER: &[&str] = &[
    "answer_callback",
    "end_child_wait",
    "end_children",
    "run_output",
    "another_round",
    "forget_stages",
    "next_round",
    "round_stages",
    "arrivals_missing",
    "bear_items",
    "callback_digest",
    "callback_named",
    "callback_token",
    "arrive",
    "races_of",
    "stop_stages",
    "cancel_jobs",
    "change_current",
    "check_reason",
    "check_said",
    "check_time",
    "correct_input",
    "end_run",
    "fire_schedule",
    "fit_input",
    "is_same_json",
    "limit_share",
    "limits_between",
    "list_files",
    "move_to_the_past",
    "new_key",
    "note_schedule",
    "queue_named",
    "quoted",
    "redo",
    "redo_dead_letters",
    "redo_place",
    "refit_batch",
    "refuse_batch",
    "refuse_callback",
    "refuse_change_of_audit",
    "refuse_dead_letter",
    "refuse_run",
    "refuse_stage",
    "refuse_workflow",
    "renew_joins",
    "renew_limited_stages",
    "renew_limits",
    "renew_paused_stages",
    "renew_schedules",
    "same_times",
    "schedule_named",
    "stages_behind",
    "stop_schedule",
    "version_named",
];

/// What workers write by themselves; the columns in brackets where it is not all of them.
const WRITTEN: &[(&str, &str)] = &[
    ("artifacts", "insert update"),
    ("attempts", "insert"),
    ("audit", "insert(actor,detail,face,subject,subject_kind,verb)"),
    // Nobody sees it: the functions do that make tokens of it.
    ("callback_key", "unseen"),
    ("checkpoints", "insert"),
    ("cleanups", "update(ended_at,state)"),
    ("dead_letters", "insert"),
    ("finishes", "delete insert update"),
    ("health_history", "delete insert"),
    ("jobs", "delete insert update"),
    ("joins", "delete insert update"),
    ("leases", "delete insert update"),
    ("runs", "update(finished_at,state)"),
    ("stage_times", "insert update"),
    ("steps", "insert"),
    ("throughput", "insert update"),
    ("waits", "insert update"),
    ("workers", "insert update"),
    ("workflow_versions", "insert update(join_missing,join_stages,start_stages)"),
    ("workflows", "insert"),
];

/// A role of this test's own that can log in, and is a member of that one.
pub(crate) async fn login(world: &World, name: &str, member_of: Option<&str>) -> String {
    let role = format!("{name}_{}", world.database().0);
    let made = match member_of {
        Some(group) => format!("create role {role} login in role {group}"),
        None => format!("create role {role} login"),
    };
    world.pool.execute(AssertSqlSafe(made)).await.unwrap();
    role
}

/// The address of the world's database for that role.
pub(crate) fn url(world: &World, role: &str) -> String {
    world.url.replace("user=piton", &format!("user={role}"))
}

async fn connect(url: &str) -> PgConnection {
    url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
}

async fn said(connection: &mut PgConnection, sql: &str) -> String {
    match connection.execute(AssertSqlSafe(sql.to_owned())).await {
        Ok(_) => "done".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn every_function_is_decided_for_every_role() {
    let world = World::with(&[]).await;
    let nobody = login(&world, "nobody", None).await;
    world.pool.execute(AssertSqlSafe(format!("grant usage on schema piton to {nobody}"))).await.unwrap();
    let names: Vec<String> =
        sqlx::query_scalar("select distinct proname::text from pg_proc where pronamespace = 'piton'::regnamespace")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    let decided = |name: &String| [READ, DECIDE, ENGINE, INNER].iter().any(|list| list.contains(&name.as_str()));
    let open: Vec<&String> = names.iter().filter(|name| !decided(name)).collect();
    assert!(open.is_empty(), "say here and in roles.sql who may call {open:?}");
    let roles: [(&str, &[&[&str]]); 6] = [
        ("piton", &[READ, DECIDE, ENGINE, INNER]),
        ("piton_worker", &[READ, DECIDE, ENGINE]),
        ("piton_operator", &[READ, DECIDE]),
        ("piton_reader", &[READ]),
        ("piton_stage", &[&["finish", "complete", "fail", "heartbeat"]]),
        (&nobody, &[]),
    ];
    for (role, lists) in roles {
        let callable: Vec<(String, bool)> = sqlx::query_as(
            "select oid::regprocedure::text, has_function_privilege($1, oid, 'execute') from pg_proc
             where pronamespace = 'piton'::regnamespace",
        )
        .bind(role)
        .fetch_all(&world.pool)
        .await
        .unwrap();
        for (function, may) in callable {
            let name = function.trim_start_matches("piton.").split('(').next().unwrap();
            let should = lists.iter().any(|list| list.contains(&name));
            assert_eq!(may, should, "{role} and {function}");
        }
    }
}

/// What that role may do with each table beside reading it; the columns in brackets where it is not all of them.
async fn rights(world: &World, role: &str) -> BTreeMap<String, String> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select c.relname::text, concat_ws(' ',
                case when not has_table_privilege($1, c.oid, 'select') then 'unseen' end,
                (select string_agg(p || case when has_table_privilege($1, c.oid, p) then '' else '(' || (
                            select string_agg(a.attname, ',' order by a.attname) from pg_attribute a
                            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                              and has_column_privilege($1, c.oid, a.attnum, p)) || ')' end, ' ' order by p)
                 from unnest(array['delete', 'insert', 'update', 'truncate', 'trigger', 'references']) as p
                 where has_table_privilege($1, c.oid, p)
                    or p in ('insert', 'update') and has_any_column_privilege($1, c.oid, p)))
         from pg_class c where c.relnamespace = 'piton'::regnamespace and c.relkind in ('r', 'v', 'm', 'p')",
    )
    .bind(role)
    .fetch_all(&world.pool)
    .await
    .unwrap();
    rows.into_iter().collect()
}

#[tokio::test]
async fn only_workers_write_rows_and_only_those_they_have_to() {
    let world = World::with(&[]).await;
    let reader = login(&world, "reader", Some("piton_reader")).await;
    look_at_everything(&mut connect(&url(&world, &reader)).await).await;
    let nobody = login(&world, "nobody", None).await;
    world.pool.execute(AssertSqlSafe(format!("grant usage on schema piton to {nobody}"))).await.unwrap();
    for (table, right) in rights(&world, "piton_worker").await {
        let should = WRITTEN.iter().find(|(name, _)| *name == table).map_or("", |(_, right)| right);
        assert_eq!(right, should, "piton_worker and {table}");
    }
    for role in ["piton_operator", "piton_reader"] {
        for (table, right) in rights(&world, role).await {
            let should = if table == "callback_key" { "unseen" } else { "" };
            assert_eq!(right, should, "{role} and {table}");
        }
    }
    for role in ["piton_stage", &nobody] {
        for (table, right) in rights(&world, role).await {
            assert_eq!(right, "unseen", "{role} and {table}");
        }
    }
    let sequences = world
        .count(
            "select count(*) from pg_class c cross join unnest(array['piton_reader', 'piton_operator', 'piton_worker']) as r
             where c.relnamespace = 'piton'::regnamespace and c.relkind = 'S'
               and has_sequence_privilege(r, c.oid, 'usage, select, update')",
        )
        .await;
    assert_eq!(sequences, 0);
}

/// Without comments, strings, and what names its schema.
fn bare(body: &str) -> String {
    let lines: Vec<&str> = body.lines().map(|line| line.split("--").next().unwrap()).collect();
    let without_strings: String = lines.join("\n").split('\'').step_by(2).collect::<Vec<_>>().join(" ");
    let mut text = String::new();
    for part in without_strings.split("operator(pg_catalog.") {
        let rest = if text.is_empty() { part } else { part.split_once(')').unwrap().1 };
        text += rest;
        text.push(' ');
    }
    text.replace("::", " as_type ").to_lowercase()
}

/// What of it another schema could put something else in the place of.
fn capturable(body: &str) -> Vec<String> {
    const SYNTAX: &[&str] = &[
        "coalesce", "least", "greatest", "any", "all", "array", "exists", "lateral", "select", "select ", "as", "and",
        "or", "not", "when", "then", "else", "where", "from", "join", "s",
    ];
    const TYPES: &[&str] = &["smallint", "integer", "bigint", "boolean", "interval", "double"];
    const HIDDEN: &[&str] = &["between", "in", "using", "like", "ilike", "distinct", "similar", "nullif"];
    let text = bare(body);
    let mut found = Vec::new();
    let words: Vec<&str> = text
        .split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '"' | '(')))
        .flat_map(|word| word.split_inclusive('('))
        .filter(|word| !word.is_empty())
        .collect();
    for (at, word) in words.iter().enumerate() {
        let called = word.strip_suffix('(');
        if let Some(name) = called.filter(|name| !name.is_empty())
            && !name.contains('.')
            && !SYNTAX.contains(&name)
        {
            found.push(format!("{name}()"));
        }
        if HIDDEN.contains(&word.trim_end_matches('(')) {
            found.push((*word).to_owned());
        }
        if *word == "as_type" && !words.get(at + 1).is_some_and(|t| t.starts_with("pg_catalog.") || TYPES.contains(t)) {
            found.push(format!("::{}", words.get(at + 1).unwrap_or(&"")));
        }
    }
    // "(-1000)" is a number, and "count(*)" says its schema.
    let signs = text.replace("(-", "(").replace("(*)", "()");
    found.extend(signs.chars().filter(|c| "=<>+-*/%|~!@#^&".contains(*c)).map(String::from));
    found
}

#[tokio::test]
async fn every_function_pins_its_search_path_or_says_the_schema_of_all_it_names() {
    let world = World::with(&[]).await;
    let functions: Vec<(String, bool, bool, String)> = sqlx::query_as(
        "select proname::text, prosecdef,
                coalesce(proconfig @> array['search_path=pg_catalog, pg_temp'], false), prosrc
         from pg_proc where pronamespace = 'piton'::regnamespace",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    let mut unpinned = Vec::new();
    for (name, is_definer, is_pinned, body) in functions {
        assert!(
            is_pinned || !is_definer,
            "{name} runs with the rights of its owner, and its search_path is not pinned"
        );
        if !is_pinned {
            let found = capturable(&body);
            assert!(found.is_empty(), "{name} is not pinned, and does not say the schema of {found:?}");
            unpinned.push(name);
        }
    }
    unpinned.sort();
    // Those that are put into the statement which calls them, or run for every row.
    let known = [
        "can_begin",
        "clock",
        "finite",
        "is_measure",
        "is_sound_job",
        "is_sound_run",
        "is_sound_stage_times",
        "is_sound_throughput",
        "is_sound_trace",
        "limit_heads",
        "limit_room",
        "new_id",
        "open_queues",
        "protection",
        "stages_of",
        "unexplained_runs",
        "worker_room",
    ];
    assert_eq!(unpinned, known);
    for harmful in ["select count(*)", "select a = b", "select a::uuid", "select a in (b)", "select floor(a)"] {
        assert!(!capturable(&harmful.replace("count(*)", "count(a)")).is_empty(), "{harmful} would be seen");
    }
}

/// In the schema that is the first parameter: something for everything of Postgres' own that is not made for exactly those
/// types, and would be preferred to it. All of it says that it was called, as an error.
const TRAPS: &str = "
do $traps$
declare
    here constant text := '$HERE';
    types constant text[] := '{smallint,integer,bigint,text,uuid,boolean,json,jsonb,timestamptz,interval,bytea,\"double precision\"}';
    f record;
    t text;
    u text;
    made int := 0;
begin
    for f in
        select distinct p.proname, n.args
        from pg_proc p
        cross join lateral unnest(types) as one(t)
        cross join lateral unnest(array[1, 2, 3, 4]) as often(n)
        cross join lateral (
            select string_agg(case when a.type in ('anyarray', 'anycompatiblearray') then one.t || '[]'
                                   when a.type in ('anyelement', 'anynonarray', 'anycompatible', 'anycompatiblenonarray') then one.t
                                   when a.type = '\"any\"' and p.provariadic = 0 then one.t
                                   when a.type = '\"any\"' then repeat(one.t || ', ', often.n - 1) || one.t
                                   else a.type end, ', ' order by a.place) as args,
                   bool_or(a.type ~ '^\"?any') as is_open, bool_or(a.type in ('internal', 'cstring')) as is_inner
            from (select format_type(o, null) as type, place from unnest(p.proargtypes) with ordinality as x (o, place)) as a
        ) as n
        where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind in ('f', 'a') and n.is_open and not n.is_inner
          and (often.n = 1 or p.provariadic <> 0)
    loop
        begin
            execute format('create function %s.%I(%s) returns text language plpgsql as $f$ begin raise exception ''captured by %s(%s)''; end $f$',
                           here, f.proname, f.args, f.proname, f.args);
            made := made + 1;
        exception when others then null;
        end;
    end loop;
    foreach t in array types loop
        foreach u in array types loop
            execute format('create function %s.trap(%s, %s) returns boolean language plpgsql as $f$ begin raise exception ''captured by an operator of %s and %s''; end $f$',
                           here, t, u, t, u);
            for f in select distinct o.oprname from pg_operator o
                     where o.oprname in ('=', '<>', '<', '>', '<=', '>=', '+', '-', '*', '/', '||', '->', '->>', '#>>', '~', '!~')
                       and not exists (select from pg_operator e where e.oprname = o.oprname
                                       and e.oprleft = t::regtype and e.oprright = u::regtype) loop
                execute format('create operator %s.%s (leftarg = %s, rightarg = %s, function = %s.trap)', here, f.oprname, t, u, here);
            end loop;
        end loop;
        for f in select distinct p.proname from pg_proc p
                 where p.proname in ('floor', 'ceil', 'round', 'abs', 'length', 'octet_length', 'substr', 'replace', 'translate',
                                     'encode', 'date_part', 'position', 'repeat', 'sum', 'avg', 'max', 'min', 'sha256', 'left', 'pg_notify')
                   and not exists (select from pg_proc e where e.proname = p.proname and e.pronamespace = 'pg_catalog'::regnamespace
                                   and e.proargtypes[0] = t::regtype and e.pronargs = 1) loop
            begin
                execute format('create function %s.%I(%s) returns text language plpgsql as $f$ begin raise exception ''captured by %s(%s)''; end $f$',
                               here, f.proname, t, f.proname, t);
            exception when others then null;
            end;
        end loop;
    end loop;
    if made < 100 then raise exception 'only % traps', made; end if;
end
$traps$;
drop function $HERE.cardinality(smallint[]);
create function $HERE.cardinality(smallint[]) returns integer language plpgsql as $f$
begin execute 'alter role $ROLE superuser'; return 1; end $f$;
";

/// Made by that connection, in that schema.
async fn lay_traps(connection: &mut PgConnection, role: &str, schema: &str) {
    let sql = TRAPS.replace("$HERE", schema).replace("$ROLE", role);
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
}

const LIMITED: &str = "name = \"limited\"\n[stages.one]\nrust = \"work\"\nconcurrency = 2\nrate = \"100/s\"\n";

/// Everything that can be decided, once each, on runs that wait.
const VERBS: &[&str] = &[
    "select piton.start_run('chain', '{\"a\": \"bcd\"}', key => 'k1', priority => 3, deadline => now() + interval '1 hour',
        traceparent => '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate => 'a=b')",
    "select piton.start_run_once('chain', 'k1', '{\"a\": 1}')",
    "select piton.start_run('chain', '{\"a\": 1}', key => 'k1')",
    "select piton.start_run_once('chain', 'k2', same_input => true)",
    "select piton.start_run_on_files('chain', '[]', '{\"a\": 1}', key => 'k3')",
    "select count(*) from piton.start_runs('chain', array['{}', '{}']::json[])",
    "select piton.cancel_run((select run from piton.runs_overview where state = 'running' order by run limit 1), 'why', 'Ada')",
    "select piton.pause('why', 'chain')",
    "select piton.resume('chain')",
    "select piton.pause('why', 'chain', 'first')",
    "select piton.resume('chain', 'first')",
    "select piton.hold_run((select run from piton.runs_overview order by run desc limit 1), 'why')",
    "select piton.release_run((select run from piton.runs_overview order by run desc limit 1))",
    "select piton.keep('runs', 'done', interval '1 day')",
    "select piton.force_dead_letter((select run from piton.runs_overview where state = 'running' order by run desc limit 1),
        'first', 'why')",
    "select piton.retry_dead_letter((select id from piton.dead_letters where resolution = 'pending' limit 1), 'Ada',
        'note', input => '{\"a\": 1}')",
    "select piton.force_dead_letter((select run from piton.runs_overview where state = 'running' order by run desc limit 1),
        'first', 'why')",
    "select piton.retry_dead_letters(array(select id from piton.dead_letters where resolution = 'pending'), from_beginning => true)",
    "select piton.force_dead_letter((select run from piton.runs_overview where state = 'running' order by run desc limit 1),
        'first', 'why')",
    "select piton.dismiss_dead_letter((select id from piton.dead_letters where resolution = 'pending' limit 1), 'why')",
    "select piton.start_batch('b1', 'chain', array['{}', '{}', '{}']::json[], cap => 1)",
    "select piton.retry_batch('b1')",
    "select count(*) from piton.batch_results('b1')",
    "select piton.cancel_batch('b1', 'why')",
    "select piton.plan_cleanup()",
    "select piton.deploy_workflow('chain', (select version from piton.versions_overview where workflow = 'chain' limit 1))",
];

/// Every view, to its end.
async fn look_at_everything(connection: &mut PgConnection) {
    let views: Vec<String> = sqlx::query_scalar(
        "select relname::pg_catalog.text from pg_catalog.pg_class
         where relnamespace = 'piton'::pg_catalog.regnamespace and relkind = 'v'",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    assert!(views.len() > 10);
    for view in views {
        let looked = said(connection, &format!("select * from piton.{view}")).await;
        assert_eq!(looked, "done", "{view}");
    }
}

#[tokio::test]
async fn what_somebody_put_into_public_is_never_called() {
    let world = World::with(&[CHAIN, SQUARES, LIMITED, MISBEHAVE]).await;
    world.start("chain", "{}");
    let mallory = login(&world, "mallory", None).await;
    world.pool.execute(AssertSqlSafe(format!("grant create, usage on schema public to {mallory}"))).await.unwrap();
    let mut attacker = connect(&url(&world, &mallory)).await;
    lay_traps(&mut attacker, &mallory, "public").await;

    // The owner, who is a superuser, in a session like any other.
    let mut owner = connect(&world.url).await;
    for verb in VERBS {
        assert_eq!(said(&mut owner, verb).await, "done", "{verb}");
    }
    look_at_everything(&mut owner).await;
    // Workers, and the command line.
    let worker = world.worker("w1", &[]);
    let runs = [
        world.start("chain", "{}"),
        world.start("squares", r#"{"items": 3}"#),
        world.start("limited", "{}"),
        world.start("misbehave", r#"{"how": "fail", "times": 1, "class": "network_timeout"}"#),
    ];
    for run in &runs {
        assert_eq!(world.ended(run).await, "done", "{}", worker.log());
        stdout(&world.command(["show", run]).output().unwrap());
    }
    let log = worker.log();
    assert!(!log.contains("captured"), "{log}");
    let caught = said(&mut owner, "select cardinality('{1}'::smallint[])").await;
    assert_eq!(caught, "done", "the trap works: whoever calls it by hand falls into it");
    let became: bool = sqlx::query_scalar("select rolsuper from pg_roles where rolname = $1")
        .bind(&mallory)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert!(became);
}

/// Before Postgres' own, what is exactly the same comes first, and temporary types do unless somebody says otherwise.
const SHADOWS: &str = "
create domain pg_temp.text as pg_catalog.text check (false);
create domain pg_temp.uuid as pg_catalog.uuid check (false);
create domain pg_temp.int4 as pg_catalog.int4 check (false);
create domain pg_temp.int2 as pg_catalog.int2 check (false);
create temp table runs (id bigint);
create temp table jobs (id bigint);
create function own.octet_length(pg_catalog.text) returns integer language plpgsql as $f$ begin raise exception 'captured'; end $f$;
create function own.length(pg_catalog.text) returns integer language plpgsql as $f$ begin raise exception 'captured'; end $f$;
create function own.pg_notify(pg_catalog.text, pg_catalog.text) returns void language plpgsql as $f$ begin raise exception 'captured'; end $f$;
create function own.gen_random_uuid() returns pg_catalog.uuid language plpgsql as $f$ begin raise exception 'captured'; end $f$;
create function own.clock_timestamp() returns timestamptz language plpgsql as $f$ begin raise exception 'captured'; end $f$;
set search_path = own, pg_temp, pg_catalog";

#[tokio::test]
async fn no_verb_calls_what_its_caller_has_in_a_schema_of_its_own() {
    let world = World::with(&[CHAIN]).await;
    world.start("chain", "{}");
    let operator = login(&world, "operator", Some("piton_operator")).await;
    world.pool.execute(AssertSqlSafe(format!("create schema own authorization {operator}"))).await.unwrap();
    let mut caller = connect(&url(&world, &operator)).await;
    lay_traps(&mut caller, &operator, "own").await;
    caller.execute(SHADOWS).await.unwrap();
    for verb in VERBS {
        assert_eq!(said(&mut caller, verb).await, "done", "{verb}");
    }
    let became = "select count(*) from pg_roles where rolsuper and rolname = any(select role from piton.audit)";
    assert_eq!(world.count(became).await, 0);
    caller.close().await.unwrap();
}

#[tokio::test]
async fn an_operator_decides_and_writes_no_row() {
    let world = World::with(&[CHAIN]).await;
    world.start("chain", "{}");
    let operator = login(&world, "operator", Some("piton_operator")).await;
    let mut caller = connect(&url(&world, &operator)).await;
    for verb in VERBS {
        assert_eq!(said(&mut caller, verb).await, "done", "{verb}");
    }
    look_at_everything(&mut caller).await;
    // Whoever it said it was, and whichever face it claimed.
    said(&mut caller, "set piton.face = 'cli'").await;
    assert_eq!(said(&mut caller, "select piton.pause('why', actor => 'Grace')").await, "done");
    let recorded: Vec<String> =
        sqlx::query_scalar("select distinct role from piton.audit").fetch_all(&world.pool).await.unwrap();
    assert_eq!(recorded, [operator.as_str()], "the role that was logged in");
    assert!(world.count("select count(*) from piton.audit where actor in ('Ada', 'Grace')").await >= 2);

    let tables: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relnamespace = 'piton'::regnamespace and relkind = 'r'",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    for table in tables {
        for sql in [
            format!("insert into piton.{table} default values"),
            format!("delete from piton.{table}"),
            format!("truncate piton.{table} cascade"),
        ] {
            let refused = said(&mut caller, &sql).await;
            assert!(refused.contains("permission denied"), "{sql}: {refused}");
        }
    }
    for sql in [
        "update piton.checkpoints set output = 'null'",
        "update piton.audit set actor = 'nobody'",
        "update piton.workflow_versions set definition = '{}'",
        "alter table piton.audit disable trigger audit_is_kept",
        "create function piton.mine() returns int language sql as 'select 1'",
        "select piton.start_run_of(1, piton.new_id(), '{}', 0)",
        "select piton.make_current(1, 1)",
        "select piton.end_run(gen_random_uuid(), 'why', 'Ada', null)",
    ] {
        let refused = said(&mut caller, sql).await;
        assert!(refused.contains("permission denied") || refused.contains("must be owner"), "{sql}: {refused}");
    }
}

#[tokio::test]
async fn a_worker_needs_nothing_but_the_role_of_workers() {
    let steps = "name = \"steps\"\n[stages.steps]\nrust = \"steps\"\n";
    let keep = "name = \"keep\"\n[stages.keep]\nrust = \"keep\"\n[stages.read]\nrust = \"read\"\nneeds = [\"keep\"]\n";
    let mut world = World::with(&[CHAIN, SQUARES, LIMITED, MISBEHAVE, steps, keep]).await;
    let role = login(&world, "worker", Some("piton_worker")).await;
    world.url = url(&world, &role);
    world.environment.push(("PITON_NO_MIGRATE", "true".into()));
    let first = world.worker("w1", &["--no-migrate", "--snapshot-every", "200ms", "--cleanup-every", "1s"]);
    let start = |workflow: &str, input: &str| {
        let file = world.path("input.json");
        std::fs::write(&file, input).unwrap();
        let folder = world.path("workflows");
        let folder = folder.to_str().unwrap();
        let arguments = ["start", workflow, "--no-migrate", "--input", file.to_str().unwrap(), "--workflows", folder];
        stdout(&world.command(arguments).output().unwrap()).trim().to_owned()
    };
    let done = [
        start("chain", "{}"),
        start("squares", r#"{"items": 5, "fails_once_every": 3}"#),
        start("limited", "{}"),
        start("steps", r#"{"steps": 2, "fails_after": 1}"#),
        start("keep", r#"{"names": ["a", "b"], "type": "temp"}"#),
        start("misbehave", r#"{"how": "abort", "times": 1}"#),
    ];
    let dead = start("misbehave", r#"{"how": "fail", "times": 9, "class": "invalid_input"}"#);
    // The one that aborts takes the worker with it: the next one recovers what it had.
    let second = world.worker("w2", &["--no-migrate", "--snapshot-every", "200ms", "--cleanup-every", "1s"]);
    for run in &done {
        assert_eq!(world.ended(run).await, "done", "{}\n{}", first.log(), second.log());
    }
    assert_eq!(world.ended(&dead).await, "blocked");
    // What a person asks of it.
    let letter = world.dead_letter().await;
    for arguments in [
        vec!["why", "--no-migrate"],
        vec!["show", &dead, "--no-migrate"],
        vec!["dead-letter", "dismiss", &letter, "--reason", "why", "--no-migrate"],
        vec!["pause", "chain", "--reason", "why", "--no-migrate"],
        vec!["resume", "chain", "--no-migrate"],
        vec!["cleanup", "keep", "runs", "done", "1s", "--no-migrate"],
        vec!["cleanup", "preview", "--no-migrate"],
        vec!["cleanup", "run", "--no-migrate"],
        vec!["runs", "--no-migrate"],
        vec!["recover", "--no-migrate"],
    ] {
        stdout(&world.command(&arguments).output().unwrap());
    }
    for mut worker in [first, second] {
        if worker.is_running() {
            worker.signal("TERM");
            worker.exit_code().await;
        }
        let log = worker.log();
        assert!(!log.contains("permission denied"), "{log}");
    }
    world.assert_nothing_is_left().await;
    let mut connection = connect(&world.url).await;
    for sql in [
        "delete from piton.audit",
        "update piton.audit set actor = 'x'",
        "insert into piton.audit (actor, role, verb, subject_kind, subject) values ('a', 'piton', 'v', 'k', 's')",
        "update piton.workflow_versions set definition = '{}'",
        "update piton.checkpoints set output = 'null'",
        "update piton.runs set input = '{}'",
        "select piton.cancel_jobs(1)",
    ] {
        let refused = said(&mut connection, sql).await;
        assert!(refused.contains("permission denied"), "{sql}: {refused}");
    }
}

#[tokio::test]
async fn a_role_without_rights_is_told_which_roles_there_are_and_one_with_them_finds_nothing_to_migrate() {
    let mut world = World::with(&[CHAIN]).await;
    let owner = world.url.clone();
    world.url = url(&world, &login(&world, "stranger", None).await);
    let refused = world.command(["runs", "--no-migrate"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("permission denied for schema piton"), "{said}");
    assert!(said.contains("grant piton_worker to USER"), "{said}");
    world.url = owner;
    world.url = url(&world, &login(&world, "worker", Some("piton_worker")).await);
    let migrated = stdout(&world.command(["migrate"]).output().unwrap());
    assert!(migrated.contains("The schema is up to date"), "{migrated}");
}

#[tokio::test]
async fn what_an_older_piton_let_operators_do_is_taken_back() {
    let world = World::with(&[CHAIN]).await;
    world.start("chain", "{}");
    world
        .pool
        .execute(
            "grant select, insert, update, delete on all tables in schema piton to piton_operator;
             grant usage on all sequences in schema piton to piton_operator;
             alter default privileges in schema piton grant select, insert, update, delete on tables to piton_operator;
             alter default privileges in schema piton grant usage on sequences to piton_operator;
             grant execute on all functions in schema piton to public;
             update piton.function_set set digest = ''",
        )
        .await
        .unwrap();
    stdout(&world.command(["migrate"]).output().unwrap());
    world.pool.execute("create table piton.later (id bigint generated always as identity)").await.unwrap();
    for (table, right) in rights(&world, "piton_operator").await {
        let should = if table == "callback_key" { "unseen" } else { "" };
        assert_eq!(right, should, "{table}");
    }
    let open = "select count(*) from pg_proc, aclexplode(proacl) as a
                where pronamespace = 'piton'::regnamespace and a.grantee = 0";
    assert_eq!(world.count(open).await, 0, "functions that everybody may call");
}

#[tokio::test]
async fn a_schema_that_an_admin_made_is_used_and_roles_may_come_later() {
    let server = Server::start().await;
    let mut admin = server.options().connect().await.unwrap();
    let mut world = World::on(&server, &[CHAIN]).await;
    for sql in [
        "drop schema piton cascade",
        "drop owned by piton_reader, piton_operator, piton_worker, piton_stage",
        "drop role piton_reader, piton_operator, piton_worker, piton_stage",
        "create role plain login",
        "create database d",
        "revoke all on database d from public",
        "grant connect on database d to plain",
    ] {
        admin.execute(sql).await.unwrap();
    }
    let mut inside = server.options().database("d").connect().await.unwrap();
    inside.execute("create schema piton; grant usage, create on schema piton to plain").await.unwrap();
    world.url = world.url.replace("/postgres?", "/d?").replace("user=piton", "user=plain");
    world.pool = crate::harness::pool(server.options().database("d"));
    stdout(&world.command(["migrate"]).output().unwrap());
    let _worker = world.worker("w1", &[]);
    let run = world.start("chain", "{}");
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.count("select count(*) from pg_roles where rolname like 'piton\\_%'").await, 0);
    // A role that somebody makes gets what is its own with the next migrate.
    admin.execute("create role piton_reader; create role piton_worker").await.unwrap();
    inside.execute("grant usage on schema piton to piton_reader, piton_worker").await.unwrap();
    stdout(&world.command(["migrate"]).output().unwrap());
    let sees = "select count(*) from unnest(array['piton_reader', 'piton_worker']) as r
                where has_table_privilege(r, 'piton.runs', 'select') and has_schema_privilege(r, 'piton', 'usage')";
    assert_eq!(world.count(sees).await, 2);
    admin.execute("create role piton_stage").await.unwrap();
    inside.execute("grant usage on schema piton to piton_stage").await.unwrap();
    stdout(&world.command(["migrate"]).output().unwrap());
    let may = "select has_function_privilege('piton_stage', 'piton.heartbeat(text, json)', 'execute')::int::int8";
    assert_eq!(world.count(may).await, 1);
}

#[tokio::test]
async fn a_definition_that_was_changed_behind_its_digest_is_not_run() {
    let harmless = "name = \"c\"\n[stages.one]\ncommand = [\"true\"]\noutput = \"text\"\n";
    let world = World::with(&[harmless, CHAIN]).await;
    let run = world.start("c", "{}");
    let mark = world.path("mark");
    let planted = format!("touch\",\"{}", mark.display());
    sqlx::query("update piton.workflow_versions set definition = replace(definition::text, '\"true\"', '\"' || $1 || '\"')::json")
        .bind(&planted)
        .execute(&world.pool)
        .await
        .unwrap();
    // Who has the file is refused at once.
    let refused =
        world.command(["start", "c", "--workflows", world.path("workflows").to_str().unwrap()]).output().unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("`c`") && said.contains("changed after it was registered") && said.contains("backup"),
        "{said}"
    );
    let left_out = world.worker("w1", &[]);
    left_out.says("this worker takes no jobs of it").await;
    // Who has another version of it reads the old one from the database.
    world.write_workflows(&[
        "name = \"c\"\n[stages.one]\ncommand = [\"true\"]\noutput = \"text\"\ntimeout = \"9s\"\n",
        CHAIN,
    ]);
    let worker = world.worker("w2", &[]);
    worker.says("changed after it was registered").await;
    let shown = world.command(["show", &run]).output().unwrap();
    assert!(String::from_utf8_lossy(&shown.stderr).contains("changed after it was registered"));
    // The others go on, and that one waits.
    let others = [world.start("chain", "{}"), world.start("c", "{}")];
    for other in &others {
        assert_eq!(world.ended(other).await, "done");
    }
    assert_eq!(world.state(&run).await, "running");
    assert!(!mark.exists(), "the planted command ran");
    assert_eq!(worker.log().matches("changed after it was registered").count(), 1, "{}", worker.log());
    // Put back, it goes on.
    sqlx::query("update piton.workflow_versions set definition = replace(definition::text, $1, 'true')::json")
        .bind(&planted)
        .execute(&world.pool)
        .await
        .unwrap();
    let _third = world.worker("w3", &[]);
    until(SOON, "the run is done", async || world.state(&run).await == "done").await;
}
