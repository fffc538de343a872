-- The 48 bits of milliseconds take the place of as many random ones, and two bits turn version 4 into version 7.
-- Of Postgres' own functions only version 18 has uuidv7().
create or replace function piton.new_id() returns uuid
language sql volatile parallel safe
as $$
    select encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                    placing substring(int8send(floor(date_part('epoch', clock_timestamp()) * 1000)::bigint) from 3)
                    from 1 for 6),
            52, 1), 53, 1),
        'hex')::uuid
$$;
comment on function piton.new_id() is 'A new UUIDv7; one made later sorts after it, to the millisecond.';
create or replace view piton.stage_names as
select v.id as version_id, v.workflow_id, (s.place - 1)::int2 as stage, s.name
from piton.workflow_versions v
cross join lateral unnest(v.stage_names) with ordinality as s (name, place);
comment on view piton.stage_names is 'The stages of every version by name.';
comment on column piton.stage_names.version_id is 'The version.';
comment on column piton.stage_names.workflow_id is 'The workflow that it is a version of.';
comment on column piton.stage_names.stage is 'Position of the stage in the definition.';
comment on column piton.stage_names.name is 'Its name.';
-- Repeats src/model/payload.rs for those who do not come through it. What costs more than a look at the text's length
-- comes behind a cheap sign that it may be needed.
create or replace function piton.check_input(input json) returns void
language plpgsql immutable parallel safe
as $$
declare
    body text := input::text;
    brackets text;
begin
    if octet_length(body) > 1048576 then
        raise exception 'the run''s input has % bytes, over the limit of 1048576', octet_length(body)
            using errcode = 'program_limit_exceeded', hint = 'Keep big things in files and hand on their names.';
    end if;
    -- An even number of backslashes before it are backslashes, and no NUL.
    if position('\u0000' in body) > 0 and body ~ '(^|[^\\])(\\\\)*\\u0000' then
        raise exception 'a string in the run''s input holds a NUL character (\u0000), which Postgres cannot keep'
            using errcode = 'untranslatable_character', hint = 'Remove or encode it.';
    end if;
    if length(body) > 200 and length(body) - length(translate(body, '[{', '')) > 100 then
        -- Without strings, and of the rest only the brackets. Each round takes the innermost pairs away: one level.
        brackets := regexp_replace(body, '"(?:[^"\\]|\\.)*"', '', 'g');
        brackets := translate(regexp_replace(brackets, '[^][{}]+', '', 'g'), '[]', '{}');
        for level in 1..100 loop
            exit when brackets = '';
            brackets := replace(brackets, '{}', '');
        end loop;
        if brackets <> '' then
            raise exception 'the run''s input has arrays and objects nested more than 100 deep'
                using errcode = 'program_limit_exceeded', hint = 'Make it flatter, or hand on the inner part as a string.';
        end if;
    end if;
end
$$;
comment on function piton.check_input(json) is 'Refuses what no run can be started on: more than 1 MiB, more than 100 levels, NUL characters.';
create or replace function piton.check_reason(reason text, what text, example text) returns void
language plpgsql immutable
as $$
begin
    if coalesce(trim(reason), '') = '' then
        raise exception '% for a reason, and none was given', what
            using errcode = 'invalid_parameter_value', hint = 'select ' || example || '.';
    end if;
end
$$;
comment on function piton.check_reason(text, text, text) is 'For Piton itself: refuses a decision that no reason was given for.';
create or replace function piton.refuse_workflow(workflow text) returns void
language plpgsql stable
as $$
declare
    names text;
begin
    if exists (select from piton.workflows w where w.name = refuse_workflow.workflow) then
        raise exception 'workflow "%" was registered by an older Piton, which left no plan for SQL', workflow
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Register its file again: start a worker on it, or use "piton start".';
    end if;
    select string_agg(w.name, ', ') into names
    from (select name from piton.workflows where current_version_id is not null order by name limit 50) w;
    raise exception 'there is no workflow "%"', workflow
        using errcode = 'undefined_object',
              detail = coalesce('There are: ' || names || '.', 'There is none yet.'),
              hint = 'A workflow is registered when a worker, or "piton start", reads its file.';
end
$$;
comment on function piton.refuse_workflow(text) is 'For Piton itself: says why no run of that workflow can be started, and what to do.';
-- Repeats src/model/trace.rs for those who do not come through it, as trace_state.sql does.
create or replace function piton.trace_parent(traceparent text) returns text
language plpgsql immutable parallel safe
as $$
begin
    if traceparent !~ '^([0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[ -~]*)?)$'
       or traceparent ~ '^(ff|00-.{32}-.{16}-..-|..-0{32}|.{36}0{16})' then
        raise exception '"%" is no traceparent', traceparent
            using errcode = 'invalid_parameter_value',
                  hint = 'It looks like 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01: version, trace id and parent id (small hexadecimal digits, not all of them 0), flags.';
    end if;
    -- Later versions begin as the first one, and flags without a meaning are not passed on.
    return '00' || substr(traceparent, 3, 51) || '0' || (('x0000000' || substr(traceparent, 55, 1))::bit(32)::integer & 3);
end
$$;
comment on function piton.trace_parent(text) is 'A traceparent of the W3C in the form in which it is kept; refuses what is none.';
create or replace function piton.trace_state(tracestate text, traceparent text) returns text
language plpgsql immutable parallel safe
as $$
begin
    if tracestate = '' then
        return null;
    end if;
    if traceparent is null then
        raise exception 'there is a tracestate, and no traceparent that it belongs to'
            using errcode = 'invalid_parameter_value', hint = 'Pass both of them on, or none.';
    end if;
    if length(tracestate) > 512 or tracestate !~ '^[ -~]+$' or tracestate !~ '^([^,=]+=[^,=]+| *)(,([^,=]+=[^,=]+| *))*$' then
        raise exception 'this tracestate cannot be passed on'
            using errcode = 'invalid_parameter_value',
                  hint = 'It is a list like rojo=00f067aa0ba902b7,congo=t61rcWkgMzE in printable ASCII, of at most 512 characters.';
    end if;
    return tracestate;
end
$$;
comment on function piton.trace_state(text, text) is 'A tracestate of the W3C as it is kept; refuses what cannot be passed on, and one without its traceparent.';
-- Where every run starts, whoever asks. That the input and the trace may be kept was checked before.
-- A value instead of a query wherever one will do: each statement in here costs every start some microseconds.
create or replace function piton.start_run_of(
    version_id bigint, run uuid, input json, priority integer, traceparent text default null, tracestate text default null,
    run_at timestamptz default null, deadline timestamptz default null
) returns bigint
language plpgsql
as $$
declare
    plan record;
    key bigint;
    is_later boolean := coalesce(run_at > now(), false);
begin
    select v.workflow_id, v.start_stages, v.join_stages, v.join_missing into plan
    from piton.workflow_versions v where v.id = start_run_of.version_id;
    if plan.start_stages is null then
        raise exception 'workflow version % has no plan: there is none, or it was registered by an older Piton', version_id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Register its file again: start a worker on it, or use "piton start".';
    end if;
    insert into piton.runs (uuid, version_id, priority, input, traceparent, tracestate)
    values (run, start_run_of.version_id, start_run_of.priority, start_run_of.input, start_run_of.traceparent,
            start_run_of.tracestate)
    returning id into key;
    for branch in 1..cardinality(plan.start_stages) loop
        insert into piton.jobs (run_id, workflow_id, version_id, stage, state, rank, due_at)
        values (key, plan.workflow_id, start_run_of.version_id, plan.start_stages[branch],
                case when is_later then 'scheduled' else 'ready' end, -start_run_of.priority,
                case when is_later then run_at else now() end);
    end loop;
    if plan.join_stages <> '{}' then
        insert into piton.joins (run_id, stage, missing)
        select key, j.stage, j.missing from unnest(plan.join_stages, plan.join_missing) as j (stage, missing);
    end if;
    if deadline is not null then
        if deadline <= now() then
            raise exception 'the run''s deadline has passed: %', deadline
                using errcode = 'invalid_parameter_value', hint = 'Give one that is still to come, or none.';
        end if;
        insert into piton.deadlines (run_id, at) values (key, deadline);
    end if;
    perform pg_notify('piton_jobs', '');
    return key;
end
$$;
comment on function piton.start_run_of(bigint, uuid, json, integer, text, text, timestamptz, timestamptz) is 'For Piton itself: starts a run of one workflow version under the given id, on an input and within a trace that were checked. Returns the key of its row.';
-- Whoever asks at the same moment waits here for the first one's transaction, and then gets its run.
create or replace function piton.run_under(workflow text, key text, run uuid) returns uuid
language plpgsql
as $$
declare
    found_run uuid;
begin
    if length(key) not between 1 and 200 then
        raise exception 'the key of a run has % characters, and must have 1 to 200', length(key)
            using errcode = 'invalid_parameter_value', hint = 'A digest of what the run is about makes a short one.';
    end if;
    insert into piton.run_keys (workflow_id, key, run)
    select w.id, run_under.key, run_under.run from piton.workflows w where w.name = run_under.workflow
    on conflict on constraint run_keys_pkey do nothing
    returning run_keys.run into found_run;
    if found_run is null then
        select k.run into found_run
        from piton.run_keys k join piton.workflows w on w.id = k.workflow_id
        where w.name = run_under.workflow and k.key = run_under.key;
    end if;
    return found_run;
end
$$;
comment on function piton.run_under(text, text, uuid) is 'For Piton itself: the id of the run that was started under a key; the given one when none was, which it is from now on.';
create or replace function piton.start_run(
    workflow text, input json default '{}', key text default null, priority integer default 0,
    run_at timestamptz default null, deadline timestamptz default null,
    traceparent text default null, tracestate text default null
) returns uuid
language plpgsql
as $$
declare
    run uuid := piton.new_id();
    version bigint;
    row_key bigint;
begin
    if workflow is null or input is null or priority is null then
        raise exception 'the workflow, the run''s input and its priority must not be null'
            using errcode = 'null_value_not_allowed', hint = 'Leave the input and the priority out for {} and 0.';
    end if;
    if priority not between -1000 and 1000 then
        raise exception 'the run''s priority is %, and must be between -1000 and 1000', priority
            using errcode = 'numeric_value_out_of_range', hint = 'Higher is claimed first; 0 is the default.';
    end if;
    select w.current_version_id into version from piton.workflows w where w.name = start_run.workflow;
    if version is null then
        perform piton.refuse_workflow(workflow);
    end if;
    -- Short texts without a NUL are never too large or too deep; most inputs are short.
    if octet_length(input::text) > 200 or position('\u0000' in input::text) > 0 then
        perform piton.check_input(input);
    end if;
    if traceparent is not null or tracestate is not null then
        tracestate := piton.trace_state(tracestate, traceparent);
        traceparent := piton.trace_parent(traceparent);
    end if;
    if key is not null then
        run := piton.run_under(workflow, key, run);
        if exists (select from piton.runs r where r.uuid = run) then
            return run;
        end if;
    end if;
    row_key := piton.start_run_of(version, run, input, priority, traceparent, tracestate, run_at, deadline);
    return run;
end
$$;
comment on function piton.start_run(text, json, text, integer, timestamptz, timestamptz, text, text) is 'Starts a run of the version of that workflow that was registered last, and returns its id. It starts when the caller''s transaction commits. Under a key (of 1 to 200 characters) only one is ever started of a workflow: asking again returns its id and starts nothing. Of higher priority (-1000 to 1000) is claimed first. With run_at it waits until then; with a deadline it is cancelled if it is not finished by then. With a traceparent (and tracestate) of the W3C its stages are part of that trace.';
-- The same as start_run for as many inputs as there are, at a fifth of its price for each.
create or replace function piton.start_runs(
    workflow text, inputs json[], priority integer default 0, traceparent text default null, tracestate text default null
) returns setof uuid
language plpgsql
as $$
declare
    version bigint;
    plan record;
begin
    if workflow is null or inputs is null or priority is null or array_position(inputs::text[], null) is not null then
        raise exception 'the workflow, the runs'' inputs and their priority must not be null'
            using errcode = 'null_value_not_allowed', hint = 'Leave the priority out for 0; an empty input is {}.';
    end if;
    if priority not between -1000 and 1000 then
        raise exception 'the runs'' priority is %, and must be between -1000 and 1000', priority
            using errcode = 'numeric_value_out_of_range', hint = 'Higher is claimed first; 0 is the default.';
    end if;
    select w.current_version_id into version from piton.workflows w where w.name = start_runs.workflow;
    if version is null then
        perform piton.refuse_workflow(workflow);
    end if;
    perform piton.check_input(input) from unnest(inputs) as input
    where octet_length(input::text) > 200 or position('\u0000' in input::text) > 0;
    if traceparent is not null or tracestate is not null then
        tracestate := piton.trace_state(tracestate, traceparent);
        traceparent := piton.trace_parent(traceparent);
    end if;
    select v.workflow_id, v.start_stages, v.join_stages, v.join_missing into plan
    from piton.workflow_versions v where v.id = version;
    return query
    with run as (
        insert into piton.runs (uuid, version_id, priority, input, traceparent, tracestate)
        select piton.new_id(), version, start_runs.priority, input, start_runs.traceparent, start_runs.tracestate
        from unnest(inputs) as input
        returning id, uuid
    ),
    job as (
        insert into piton.jobs (run_id, workflow_id, version_id, stage, state, rank)
        select run.id, plan.workflow_id, version, stage, 'ready', -start_runs.priority
        from run cross join unnest(plan.start_stages) as stage
    ),
    joined as (
        insert into piton.joins (run_id, stage, missing)
        select run.id, j.stage, j.missing from run cross join unnest(plan.join_stages, plan.join_missing) as j (stage, missing)
    )
    select run.uuid from run;
    perform pg_notify('piton_jobs', '');
end
$$;
comment on function piton.start_runs(text, json[], integer, text, text) is 'Starts a run for each input, of the version of that workflow that was registered last, and returns their ids in the order of the inputs. They start when the caller''s transaction commits; all of them or none. With a traceparent (and tracestate) of the W3C all of them are part of that trace.';
-- The graph of a workflow version, for whoever decides about a run in SQL.
create or replace function piton.stages_of(version_id bigint)
returns table (stage smallint, name text, needs smallint[], fans_out boolean, over_input boolean)
language sql stable
as $$
    select (s.place - 1)::int2, s.definition ->> 'name',
           array(select need::int2 from json_array_elements_text(s.definition -> 'needs') as need),
           s.definition -> 'for_each' is not null,
           coalesce(s.definition #>> '{for_each,source}' = 'input', false)
    from piton.workflow_versions v
    cross join lateral json_array_elements(v.definition -> 'stages') with ordinality as s (definition, place)
    where v.id = stages_of.version_id
$$;
comment on function piton.stages_of(bigint) is 'For Piton itself: the stages of a workflow version, with what they need, whether they fan out, and whether over the run''s input.';
create or replace function piton.stages_behind(version_id bigint, stages smallint[]) returns smallint[]
language sql stable
as $$
    with recursive edge as materialized (
        select s.stage, unnest(s.needs) as need from piton.stages_of(stages_behind.version_id) as s
    ),
    behind as (
        select unnest(stages_behind.stages) as stage
        union
        select e.stage from behind b join edge e on e.need = b.stage
    )
    select array_agg(b.stage order by b.stage) from behind b
$$;
comment on function piton.stages_behind(bigint, smallint[]) is 'For Piton itself: those stages, and every stage that needs one of them, however indirectly.';
-- A join counts a stage as one arrival, and a fanned-out one as one for each item once it is split. All of it is read
-- from the checkpoints: while the run's row is locked, nothing arrives.
create or replace function piton.arrivals_missing(run bigint, version_id bigint, undone smallint[])
returns table (stage smallint, missing integer)
language sql stable
as $$
    select s.stage,
           case when s.stage = any(arrivals_missing.undone) or k.run_id is null then 1
                when not s.fans_out then 0
                when k.output::text ~ '^[0-9]{1,9}$'
                then (k.output::text)::int4 - (select count(*) from piton.checkpoints i
                                               where i.run_id = arrivals_missing.run and i.stage = s.stage and i.item >= 0)::int4
           end
    from piton.stages_of(arrivals_missing.version_id) as s
    left join piton.checkpoints k on k.run_id = arrivals_missing.run and k.stage = s.stage and k.item = -1
$$;
comment on function piton.arrivals_missing(bigint, bigint, smallint[]) is 'For Piton itself: how many arrivals of each stage a join still waits for, if those stages have done nothing yet. Empty where the record of a split is damaged.';
-- Called with the run's row locked. A commit that only hands a job on does not lock that row, and neither does what frees
-- the jobs of a dead worker, which may put the rest of a branch beside them. So each pass looks anew until one finds
-- nothing: whatever makes a job of these stages now makes it of one that it has locked, and a pass waits for that lock.
create or replace function piton.cancel_jobs(run bigint, stages smallint[] default null) returns void
language plpgsql
as $$
declare
    found_some boolean;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'jobs are cancelled in a transaction that is read committed, and this one is %',
            current_setting('transaction_isolation')
            using errcode = 'invalid_transaction_state', hint = 'Begin it with: begin isolation level read committed.';
    end if;
    loop
        with gone as (
            delete from piton.jobs j
            where j.run_id = cancel_jobs.run and (cancel_jobs.stages is null or j.stage = any(cancel_jobs.stages))
            returning j.run_id, j.stage, j.item, j.attempt, j.state, j.worker_id, j.since
        ),
        recorded as (
            insert into piton.attempts (run_id, stage, item, attempt, outcome, worker_id, started_at)
            select g.run_id, g.stage, g.item, g.attempt, 'cancelled', g.worker_id, g.since from gone g where g.state = 'running'
        )
        select exists (select from gone) into found_some;
        exit when not found_some;
    end loop;
    -- A statement of its own: an artifact that was announced while a pass waited for its job is seen only now.
    update piton.artifacts a set type = 'orphan'
    where a.run_id = cancel_jobs.run and a.type = 'pending'
      and (cancel_jobs.stages is null or a.stage = any(cancel_jobs.stages));
end
$$;
comment on function piton.cancel_jobs(bigint, smallint[]) is 'For Piton itself: ends the live jobs of a run whose row is locked, of those stages or of all. What runs is fenced, and remembered as a cancelled attempt; its artifacts are orphans.';
create or replace function piton.move_to_the_past(
    run bigint, dead_letter uuid, undone smallint[], one_stage smallint, one_item integer
) returns void
language plpgsql
as $$
begin
    with moved as (
        delete from piton.checkpoints k
        where k.run_id = run and (k.stage = any(undone) or k.stage = one_stage and k.item = one_item)
        returning k.*
    )
    insert into piton.past_checkpoints (run_id, stage, item, attempt, worker_id, started_at, finished_at, bytes, digest,
                                        output, dead_letter)
    select m.run_id, m.stage, m.item, m.attempt, m.worker_id, m.started_at, m.finished_at, m.bytes, m.digest, m.output,
           move_to_the_past.dead_letter
    from moved m;
    with moved as (
        delete from piton.attempts a
        where a.run_id = run and (a.stage = any(undone) or a.stage = one_stage and a.item = one_item)
        returning a.*
    )
    insert into piton.past_attempts (run_id, stage, item, attempt, outcome, class, message, detail, worker_id, started_at,
                                     ended_at, retry_at, dead_letter)
    select m.run_id, m.stage, m.item, m.attempt, m.outcome, m.class, m.message, m.detail, m.worker_id, m.started_at,
           m.ended_at, m.retry_at, move_to_the_past.dead_letter
    from moved m;
    -- They show what was there before, and are no output of the run any more.
    update piton.artifacts a set type = 'failed'
    where a.run_id = run and a.type not in ('pending', 'failed', 'orphan', 'dead_letter')
      and (a.stage = any(undone) or a.stage = one_stage and a.item = one_item);
    -- Done again means done again: also what a handler had remembered.
    delete from piton.steps s
    where s.run_id = run and (s.stage = any(undone) or s.stage = one_stage and s.item = one_item);
end
$$;
comment on function piton.move_to_the_past(bigint, uuid, smallint[], smallint, integer) is 'For Piton itself: makes room for those stages of a run, and for that item, to be done again. Checkpoints and attempts are kept under the dead letter; steps are not. Artifacts are failed from then on.';
-- A join that is there is changed and not replaced: an arrival of another branch may wait for the run's row at this
-- moment, and would not see a row that is newer than its snapshot.
create or replace function piton.renew_joins(run bigint, version_id bigint, undone smallint[], starts smallint[])
returns void
language plpgsql
as $$
declare
    damaged text;
begin
    select s.name into damaged
    from piton.arrivals_missing(run, version_id, undone) a join piton.stages_of(version_id) s on s.stage = a.stage
    where a.missing is null
    limit 1;
    if found then
        raise exception 'the record of how stage "%" was split is damaged', damaged
            using errcode = 'data_corrupted', hint = 'Let it begin from that stage, or from the beginning.';
    end if;
    -- They begin at once, and wait for nothing.
    delete from piton.joins j where j.run_id = renew_joins.run and j.stage = any(starts);
    with stage as materialized (
        select * from piton.stages_of(version_id)
    ),
    waiting as (
        select s.stage, s.needs from stage s where s.stage = any(undone) and s.stage <> all(starts)
        union all
        select -1, array_agg(s.stage) from stage s where s.stage <> all(array(select unnest(o.needs) from stage o))
    )
    insert into piton.joins (run_id, stage, missing)
    select renew_joins.run, w.stage, sum(a.missing)
    from waiting w
    cross join lateral unnest(w.needs) as n (need)
    join piton.arrivals_missing(run, version_id, undone) a on a.stage = n.need
    join stage s on s.stage = n.need
    group by w.stage
    -- One branch that leads to one stage needs no join.
    having count(*) > 1 or bool_or(s.fans_out)
    on conflict on constraint joins_pkey do update set missing = excluded.missing;
end
$$;
comment on function piton.renew_joins(bigint, bigint, smallint[], smallint[]) is 'For Piton itself: writes anew what the undone stages of a run wait for, and its end; those that start wait for nothing.';
create or replace function piton.bear_items(dead_letter uuid, stage smallint) returns void
language sql
as $$
    insert into piton.jobs (run_id, workflow_id, version_id, stage, item, until, state, rank)
    select d.run_id, d.workflow_id, d.version_id, k.stage, i, i + 1, 'ready', d.rank
    from piton.dead_letters d
    join piton.checkpoints k on k.run_id = d.run_id and k.stage = bear_items.stage and k.item = -1
    cross join lateral generate_series(0, (k.output::text)::int4 - 1) as i
    where d.id = bear_items.dead_letter
      and not exists (select from piton.checkpoints o where o.run_id = d.run_id and o.stage = k.stage and o.item = i)
      and not exists (select from piton.jobs j
                      where j.run_id = d.run_id and j.stage = k.stage and j.item <= i and i < j.until)
      and not exists (select from piton.dead_letters o
                      where o.run_id = d.run_id and o.stage = k.stage and o.item = i and o.resolution = 'pending')
$$;
comment on function piton.bear_items(uuid, smallint) is 'For Piton itself: a job for every item of a split stage that has neither a checkpoint, nor a job, nor a dead letter.';
-- Called with the run's row locked, so that nothing is born and nothing arrives. The order matters: what is live goes
-- first, for a commit that is under way may still leave a checkpoint or a dead letter; what it left is seen after that.
create or replace function piton.redo(
    dead_letter uuid, from_stage smallint, from_item integer, actor text, note text, new_keys boolean
) returns void
language plpgsql
as $$
declare
    letter piton.dead_letters;
    starts smallint[] := array[from_stage];
    undone smallint[];
    others uuid[];
begin
    select d.* into strict letter from piton.dead_letters d where d.id = redo.dead_letter;
    if from_stage is null then
        starts := array(select s.stage from piton.stages_of(letter.version_id) s where s.needs = '{}');
    end if;
    undone := piton.stages_behind(letter.version_id, starts);
    if not exists (select from piton.checkpoints k join piton.stages_of(letter.version_id) s on s.stage = k.stage
                   where k.run_id = letter.run_id and k.stage = from_stage and k.item = -1
                     and s.fans_out and k.output::text ~ '^[0-9]{1,9}$') then
        from_item := null;
    end if;
    if from_item is not null then
        -- Its stage stays split, and its other items stay done.
        undone := array_remove(undone, from_stage);
        starts := '{}';
    end if;
    perform piton.cancel_jobs(letter.run_id, undone);
    perform piton.move_to_the_past(letter.run_id, letter.id, undone, from_stage, from_item);
    with again as (
        update piton.dead_letters d
        set done_again = true,
            resolution = case d.resolution when 'pending' then 'retried' else d.resolution end,
            resolved_at = coalesce(d.resolved_at, now()),
            resolved_by = coalesce(d.resolved_by, redo.actor),
            note = case when d.resolution <> 'pending' then d.note
                        when d.id = letter.id then redo.note
                        else 'done again with dead letter ' || letter.id || coalesce(': ' || redo.note, '') end
        where d.run_id = letter.run_id and not d.done_again
          and (d.stage = any(undone) or d.stage = from_stage and d.item = from_item)
        returning d.id
    )
    select array_agg(a.id order by a.id) into others from again a where a.id <> letter.id;
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    select redo.actor, 'redo', 'run', r.uuid,
           jsonb_strip_nulls(jsonb_build_object(
               'dead_letter', letter.id, 'item', from_item, 'with', others,
               'stage', (select s.name from piton.stages_of(letter.version_id) s where s.stage = from_stage)))
    from piton.runs r
    where r.id = letter.run_id;
    perform piton.renew_joins(letter.run_id, letter.version_id, undone, starts);
    if new_keys then
        update piton.runs r
        set redone = array(select coalesce(r.redone[s.stage + 1], 0::int2) + (s.stage = any(undone))::int4
                           from piton.stages_of(letter.version_id) s order by s.stage)
        where r.id = letter.run_id;
    end if;
    -- One that killed processes goes on alone. The job that splits a stage kills nobody.
    insert into piton.jobs (run_id, workflow_id, version_id, stage, state, deaths, rank)
    select letter.run_id, letter.workflow_id, letter.version_id, s.stage,
           case when suspected then 'suspect' else 'ready' end, suspected::int4, letter.rank
    from piton.stages_of(letter.version_id) s
    cross join lateral (select letter.class = 'crashed' and s.stage = letter.stage and not s.fans_out) as c (suspected)
    where s.stage = any(starts);
    if from_item is not null then
        perform piton.bear_items(letter.id, from_stage);
    end if;
    perform pg_notify('piton_jobs', '');
end
$$;
comment on function piton.redo(uuid, smallint, integer, text, text, boolean) is 'For Piton itself: does a stage of a dead letter''s run again, or one item of it, or everything (stage null), and whatever needs it. What they did before is kept under the dead letter.';
create or replace function piton.refuse_dead_letter(dead_letter uuid) returns void
language plpgsql
as $$
declare
    letter record;
begin
    select d.resolution, d.resolved_by, r.uuid as run, r.state into letter
    from piton.dead_letters d join piton.runs r on r.id = d.run_id
    where d.id = refuse_dead_letter.dead_letter;
    if not found then
        raise exception 'there is no dead letter %', dead_letter
            using errcode = 'no_data_found', hint = 'List them: select * from piton.dead_letters_overview.';
    elsif letter.resolution <> 'pending' then
        raise exception 'dead letter % was % by % already', dead_letter, letter.resolution, letter.resolved_by
            using errcode = 'object_not_in_prerequisite_state', hint = 'A new failure of the job is a new dead letter.';
    end if;
    raise exception 'the run % of dead letter % is %', letter.run, dead_letter, letter.state
        using errcode = 'object_not_in_prerequisite_state', hint = 'Start a new run on the same input.';
end
$$;
comment on function piton.refuse_dead_letter(uuid) is 'For Piton itself: says why nothing can be decided about that dead letter, and what to do.';
create or replace function piton.refuse_stage(dead_letter uuid, stage text) returns void
language plpgsql stable
as $$
declare
    letter piton.dead_letters;
    own text;
    number smallint;
    names text;
    undone text;
begin
    select d.* into strict letter from piton.dead_letters d where d.id = refuse_stage.dead_letter;
    select s.stage into number from piton.stages_of(letter.version_id) s where s.name = refuse_stage.stage;
    if not found then
        select string_agg(s.name, ', ' order by s.stage) into names from piton.stages_of(letter.version_id) s;
        raise exception 'the workflow of dead letter % has no stage "%"', letter.id, stage
            using errcode = 'undefined_object', detail = 'It has: ' || names || '.',
                  hint = 'Name one of them, or say from_beginning => true.';
    end if;
    select s.name into own from piton.stages_of(letter.version_id) s where s.stage = letter.stage;
    if letter.stage <> all(piton.stages_behind(letter.version_id, array[number])) then
        select string_agg(s.name, ', ' order by s.stage) into names from piton.stages_of(letter.version_id) s
        where letter.stage = any(piton.stages_behind(letter.version_id, array[s.stage]));
        raise exception 'dead letter % is of stage "%", which does not come after stage "%"', letter.id, own, stage
            using errcode = 'invalid_parameter_value', detail = 'It can be retried from: ' || names || '.',
                  hint = 'Name one of them, or say from_beginning => true.';
    end if;
    select string_agg(n.name, ', ' order by n.stage) into undone
    from piton.stages_of(letter.version_id) s
    join piton.stages_of(letter.version_id) n on n.stage = any(s.needs)
    join piton.arrivals_missing(letter.run_id, letter.version_id, '{}') a on a.stage = n.stage
    where s.stage = number and a.missing is distinct from 0;
    if undone is not null then
        raise exception 'stage "%" cannot be done again: what it needs is not done', stage
            using errcode = 'object_not_in_prerequisite_state', detail = 'Without their checkpoints: ' || undone || '.',
                  hint = 'Name one of those, or say from_beginning => true.';
    end if;
end
$$;
comment on function piton.refuse_stage(uuid, text) is 'For Piton itself: says why a dead letter cannot be retried from that stage, and from which it can; nothing where it can.';
-- Where a dead letter begins again: at the stage that is named, or at what made the checkpoint that its last attempt
-- found to be corrupt; a step of its own is its own. Empty where it goes on from its last checkpoint.
create or replace function piton.redo_place(dead_letter uuid, from_stage text)
returns table (stage smallint, item integer)
language plpgsql stable
as $$
declare
    letter piton.dead_letters;
    proof json;
    place record;
begin
    select d.* into letter from piton.dead_letters d where d.id = redo_place.dead_letter;
    if from_stage is null and letter.class = 'corrupt_checkpoint' then
        select a.detail into proof from piton.attempts a
        where a.run_id = letter.run_id and a.stage = letter.stage and a.item = letter.item and a.attempt = letter.attempt;
        if proof ->> 'step' is not null then
            return query select letter.stage, nullif(letter.item, -1);
            return;
        end if;
    end if;
    select s.stage, s.name into place from piton.stages_of(letter.version_id) s
    where s.name = coalesce(from_stage, proof ->> 'stage');
    if from_stage is not null then
        perform piton.refuse_stage(letter.id, from_stage);
    elsif place.stage is null or letter.stage <> all(piton.stages_behind(letter.version_id, array[place.stage])) then
        return;
    end if;
    return query select place.stage,
        case when from_stage is null and proof ->> 'item' ~ '^[0-9]{1,9}$' then (proof ->> 'item')::int4 end;
end
$$;
comment on function piton.redo_place(uuid, text) is 'For Piton itself: the stage, and the item, that a dead letter which is retried begins again from. No row where it goes on from its last checkpoint.';
-- Places first, all of them: a redo takes the evidence of the others in its run out of the way. Where a stage is named,
-- one redo in a run is enough for all that come after it. Bad checkpoints may be several, so that each is made anew, under
-- the old idempotency keys: the work is the same.
create or replace function piton.redo_dead_letters(
    dead_letters uuid[], actor text, note text, from_stage text, from_beginning boolean
) returns void
language plpgsql
as $$
declare
    named boolean := from_stage is not null or from_beginning;
    begun record;
begin
    for begun in
        select d.id, p.stage, p.item
        from unnest(dead_letters) as asked (id)
        join piton.dead_letters d on d.id = asked.id
        cross join lateral (
            select q.stage, q.item from piton.redo_place(d.id, from_stage) q where not from_beginning
            union all
            select null, null where from_beginning
        ) as p
        where named or d.class = 'corrupt_checkpoint'
        order by d.run_id, d.stage, d.item
    loop
        if not named or exists (select from piton.dead_letters d where d.id = begun.id and d.resolution = 'pending') then
            perform piton.redo(begun.id, begun.stage, begun.item, actor, note, named);
        end if;
    end loop;
end
$$;
comment on function piton.redo_dead_letters(uuid[], text, text, text, boolean) is 'For Piton itself: does again what those dead letters begin again from, if they do not go on from their last checkpoints.';
-- Called with the run's row locked, behind the retry. Items that are still to be done would be looked up in another array
-- than the one that was split.
create or replace function piton.correct_input(dead_letter uuid, input json, keys_before smallint[]) returns void
language plpgsql
as $$
declare
    letter piton.dead_letters;
    half_done text;
begin
    select d.* into strict letter from piton.dead_letters d where d.id = correct_input.dead_letter;
    select s.name into half_done
    from piton.stages_of(letter.version_id) s
    join piton.arrivals_missing(letter.run_id, letter.version_id, '{}') a on a.stage = s.stage
    join piton.checkpoints k on k.run_id = letter.run_id and k.stage = s.stage and k.item = -1
    where s.over_input and a.missing is distinct from 0
    limit 1;
    if found then
        raise exception 'stage "%" is half done with the items of the input that the run had: retry it from stage "%", or from the beginning', half_done, half_done
            using errcode = 'object_not_in_prerequisite_state',
                  hint = format('from_stage => %L, or from_beginning => true.', half_done);
    end if;
    update piton.dead_letters d set input_before = r.input
    from piton.runs r
    where d.id = letter.id and r.id = letter.run_id;
    update piton.runs r
    set input = correct_input.input,
        redone = array(select coalesce(keys_before[s.stage + 1], 0::int2) + 1
                       from piton.stages_of(letter.version_id) s order by s.stage)
    where r.id = letter.run_id;
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    select letter.resolved_by, 'correct_input', 'run', r.uuid, jsonb_build_object('dead_letter', letter.id)
    from piton.runs r
    where r.id = letter.run_id;
    -- What unfinished jobs had remembered was made of the old input.
    delete from piton.steps s
    where s.run_id = letter.run_id
      and not exists (select from piton.checkpoints k where k.run_id = s.run_id and k.stage = s.stage and k.item = s.item);
    -- A job that splits the old input at this moment begins anew with the other one.
    with back as (
        update piton.jobs j
        set state = 'ready', worker_id = null, limit_id = null, since = now()
        from piton.jobs old
        where j.run_id = letter.run_id and j.item = -1 and j.state = 'running'
          and j.stage in (select s.stage from piton.stages_of(letter.version_id) s where s.over_input)
          and old.run_id = j.run_id and old.id = j.id
        returning old.run_id, old.stage, old.item, old.attempt, old.worker_id, old.since
    )
    insert into piton.attempts (run_id, stage, item, attempt, outcome, worker_id, started_at)
    select b.run_id, b.stage, b.item, b.attempt, 'released', b.worker_id, b.since from back b;
end
$$;
comment on function piton.correct_input(uuid, json, smallint[]) is 'For Piton itself: gives the run of a dead letter another input from now on, and new idempotency keys. The old input is kept in the dead letter.';
-- The runs' rows first, in order: whoever decides about a run does it alone. Lists are joined, one look-up for each, or
-- hashed ("is true" keeps it so): behind "= any" a long one is walked once for every row.
create or replace function piton.retry_dead_letters(
    dead_letters uuid[], actor text default session_user, note text default null, from_stage text default null,
    from_beginning boolean default false
) returns bigint
language plpgsql
as $$
declare
    runs bigint[];
    chosen uuid[];
begin
    from_beginning := coalesce(from_beginning, false);
    if from_stage is not null and from_beginning then
        raise exception 'a dead letter is retried from a stage or from the beginning, not from both'
            using errcode = 'invalid_parameter_value', hint = 'Leave from_stage or from_beginning out.';
    end if;
    select array_agg(locked.id) into runs
    from (
        select r.id from piton.runs r
        where r.state = 'blocked'
          and r.id in (select d.run_id from unnest(dead_letters) as asked (id) join piton.dead_letters d on d.id = asked.id
                       where d.resolution = 'pending')
        order by r.id
        for update
    ) as locked;
    select array_agg(d.id) into chosen
    from unnest(runs) as locked (id)
    join piton.dead_letters d on d.run_id = locked.id
    where d.resolution = 'pending' and (d.id in (select unnest(dead_letters))) is true;
    perform piton.redo_dead_letters(chosen, actor, note, from_stage, from_beginning);
    with alone as (
        update piton.dead_letters d
        set resolution = 'retried', resolved_at = now(), resolved_by = retry_dead_letters.actor,
            note = retry_dead_letters.note
        from unnest(chosen) as c (id)
        where d.id = c.id and d.resolution = 'pending'
        returning d.run_id, d.workflow_id, d.version_id, d.stage, d.item, d.attempt, d.rank, d.class
    )
    -- One that killed processes goes on alone.
    insert into piton.jobs (run_id, workflow_id, version_id, stage, item, until, state, deaths, attempt, rank)
    select run_id, workflow_id, version_id, stage, item, case when item >= 0 then item + 1 else 0 end,
           case class when 'crashed' then 'suspect' else 'ready' end, (class = 'crashed')::int4, attempt, rank
    from alone;
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    select retry_dead_letters.actor, 'retry', 'dead_letter', d.id,
           jsonb_strip_nulls(jsonb_build_object(
               'run', r.uuid, 'note', retry_dead_letters.note, 'from_stage', retry_dead_letters.from_stage,
               'from_beginning', nullif(retry_dead_letters.from_beginning, false)))
    from unnest(chosen) as c (id)
    join piton.dead_letters d on d.id = c.id
    join piton.runs r on r.id = d.run_id;
    update piton.runs r set state = 'running'
    from unnest(runs) as locked (id)
    where r.id = locked.id
      and not exists (select from piton.dead_letters d where d.run_id = r.id and d.resolution = 'pending');
    if cardinality(chosen) > 0 then
        perform pg_notify('piton_jobs', '');
    end if;
    return coalesce(cardinality(chosen), 0);
end
$$;
comment on function piton.retry_dead_letters(uuid[], text, text, text, boolean) is 'Lets the jobs of those dead letters that are pending go on, each with a new budget of retries: from the last checkpoint, from a stage that is named, or from the beginning of their runs; where a checkpoint was corrupt, from the stage that made it. Returns how many there were.';
create or replace function piton.retry_dead_letter(
    dead_letter uuid, actor text default session_user, note text default null, from_stage text default null,
    from_beginning boolean default false, input json default null
) returns void
language plpgsql
as $$
declare
    keys smallint[];
begin
    if input is not null then
        perform piton.check_input(input);
        select r.redone into keys from piton.runs r
        where r.id = (select d.run_id from piton.dead_letters d where d.id = retry_dead_letter.dead_letter)
        for update;
    end if;
    if piton.retry_dead_letters(array[dead_letter], actor, note, from_stage, from_beginning) = 0 then
        perform piton.refuse_dead_letter(dead_letter);
    end if;
    if input is not null then
        perform piton.correct_input(dead_letter, input, keys);
    end if;
end
$$;
comment on function piton.retry_dead_letter(uuid, text, text, text, boolean, json) is 'Lets a dead letter''s job go on, with a new budget of retries: from the last checkpoint, from a stage that is named, or from the beginning of its run; where a checkpoint was corrupt, from the stage that made it. With an input, that is the run''s from then on. What was done before stays on record.';
-- The run's row first: a commit that would add a job to the run waits, and finds it ended.
create or replace function piton.dismiss_dead_letter(dead_letter uuid, reason text, actor text default session_user)
returns void
language plpgsql
as $$
declare
    letter piton.dead_letters;
    others uuid[];
begin
    perform piton.check_reason(reason, 'a dead letter is dismissed', 'piton.dismiss_dead_letter(id, ''why'')');
    perform from piton.runs r
    where r.id = (select d.run_id from piton.dead_letters d where d.id = dismiss_dead_letter.dead_letter)
      and r.state = 'blocked'
    for update;
    select d.* into letter from piton.dead_letters d
    where d.id = dismiss_dead_letter.dead_letter and d.resolution = 'pending';
    if not found then
        perform piton.refuse_dead_letter(dead_letter);
    end if;
    with dismissed as (
        update piton.dead_letters d
        set resolution = 'dismissed', resolved_at = now(), resolved_by = dismiss_dead_letter.actor,
            note = case when d.id = dismiss_dead_letter.dead_letter then reason
                        else 'its run ended with dead letter ' || dead_letter || ': ' || reason end
        where d.run_id = letter.run_id and d.resolution = 'pending'
        returning d.id
    )
    select array_agg(d.id order by d.id) into others from dismissed d where d.id <> letter.id;
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    select dismiss_dead_letter.actor, 'dismiss', 'dead_letter', letter.id,
           jsonb_strip_nulls(jsonb_build_object('run', r.uuid, 'reason', dismiss_dead_letter.reason, 'with', others))
    from piton.runs r
    where r.id = letter.run_id;
    update piton.runs r
    set state = 'failed', finished_at = now(), failed_stage = letter.stage, failure_class = letter.class,
        failure_message = letter.message
    where r.id = letter.run_id;
    perform piton.cancel_jobs(letter.run_id);
    delete from piton.joins j where j.run_id = letter.run_id;
end
$$;
comment on function piton.dismiss_dead_letter(uuid, text, text) is 'Ends the run of a dead letter as failed, for a reason: its other jobs are cancelled, its other dead letters dismissed with it.';
-- The run's row first, as everyone who decides about a run. An attempt that is under way is fenced: its result changes
-- nothing. Items that were to come after it become a branch of their own.
create or replace function piton.force_dead_letter(
    run uuid, stage text, reason text, item integer default null, actor text default session_user
) returns uuid
language plpgsql
as $$
declare
    found_run record;
    number smallint;
    job record;
    letter uuid := piton.new_id();
    said text;
begin
    perform piton.check_reason(reason, 'a job is given up', 'piton.force_dead_letter(run, ''stage'', ''why'')');
    select r.id, r.state, r.version_id into found_run from piton.runs r where r.uuid = force_dead_letter.run for update;
    if not found then
        raise exception 'there is no run %', run using errcode = 'no_data_found', hint = 'List them: select * from piton.runs.';
    end if;
    select s.place - 1 into number
    from piton.workflow_versions v
    cross join lateral json_array_elements(v.definition -> 'stages') with ordinality as s (definition, place)
    where v.id = found_run.version_id and s.definition ->> 'name' = force_dead_letter.stage;
    select j.* into job
    from piton.jobs j
    where j.run_id = found_run.id and j.stage = number and j.item = coalesce(force_dead_letter.item, -1)
    for update;
    if not found then
        raise exception 'run % has no live job of stage "%"%', run, stage, coalesce(', item ' || item, '')
            using errcode = 'no_data_found', hint = 'Its jobs: select * from piton.jobs where run_id = ' || found_run.id || '.';
    end if;
    delete from piton.jobs j where j.run_id = job.run_id and j.id = job.id;
    if job.item >= 0 and job.until > job.item + 1 then
        insert into piton.jobs (run_id, workflow_id, version_id, stage, item, until, state, rank, due_at)
        values (job.run_id, job.workflow_id, job.version_id, job.stage, job.item + 1, job.until, 'ready', job.rank, job.due_at);
        perform pg_notify('piton_jobs', '');
    end if;
    update piton.artifacts a set type = 'failed'
    where a.run_id = job.run_id and a.job_id = job.id and a.stage = job.stage and a.item = job.item and a.type = 'pending';
    said := 'given up by ' || actor || ': ' || reason;
    job.attempt := job.attempt + (job.state <> 'running')::int4;
    insert into piton.attempts (run_id, stage, item, attempt, outcome, class, message, worker_id, started_at)
    values (job.run_id, job.stage, job.item, job.attempt, 'failed', 'unknown', said, coalesce(job.worker_id, 0), job.since);
    insert into piton.dead_letters (id, run_id, workflow_id, version_id, stage, item, attempt, rank, class, message,
                                    fingerprint, worker_id)
    values (letter, job.run_id, job.workflow_id, job.version_id, job.stage, job.item, job.attempt, job.rank, 'unknown', said,
            encode(substring(sha256('given up by hand') for 8), 'hex'), coalesce(job.worker_id, 0));
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    values (force_dead_letter.actor, 'force', 'dead_letter', letter,
            jsonb_strip_nulls(jsonb_build_object('run', force_dead_letter.run, 'stage', force_dead_letter.stage,
                                                 'item', nullif(job.item, -1), 'reason', force_dead_letter.reason)));
    update piton.runs r set state = 'blocked' where r.id = found_run.id;
    return letter;
end
$$;
comment on function piton.force_dead_letter(uuid, text, text, integer, text) is 'Gives up a live job by hand, for a reason: it becomes a dead letter, and its run is blocked. Returns the id of the dead letter.';
-- Says what is wrong with a run that somebody wants to decide about.
create or replace function piton.refuse_run(run uuid) returns void
language plpgsql
as $$
declare
    found_state text;
begin
    select r.state into found_state from piton.runs r where r.uuid = refuse_run.run;
    if not found then
        raise exception 'there is no run %', run
            using errcode = 'no_data_found', hint = 'The newest: select run, workflow, state from piton.runs_overview order by run desc limit 20.';
    end if;
    raise exception 'run % is % already', run, found_state
        using errcode = 'object_not_in_prerequisite_state', hint = 'Nothing of it is left to be decided.';
end
$$;
comment on function piton.refuse_run(uuid) is 'For Piton itself: raises the error that says why nothing can be decided about a run.';
-- The run's row first, as everyone who decides about a run: a commit that would add a job to it waits, and finds it ended.
create or replace function piton.end_run(run uuid, reason text, actor text, deadline timestamptz) returns void
language plpgsql
as $$
declare
    key bigint;
begin
    select r.id into key from piton.runs r
    where r.uuid = end_run.run and r.state in ('running', 'blocked')
    for update;
    if not found then
        perform piton.refuse_run(run);
    end if;
    update piton.dead_letters d
    set resolution = 'dismissed', resolved_at = now(), resolved_by = end_run.actor, note = 'its run was cancelled: ' || reason
    where d.run_id = key and d.resolution = 'pending';
    update piton.runs r set state = 'cancelled', finished_at = now() where r.id = key;
    insert into piton.cancellations (run_id, reason, cancelled_by, deadline)
    values (key, end_run.reason, end_run.actor, end_run.deadline);
    perform piton.cancel_jobs(key);
    delete from piton.joins j where j.run_id = key;
end
$$;
comment on function piton.end_run(uuid, text, text, timestamptz) is 'For Piton itself: cancels a run that is not finished, because somebody said so or its deadline passed.';
create or replace function piton.cancel_run(run uuid, reason text, actor text default session_user) returns void
language plpgsql
as $$
begin
    perform piton.check_reason(reason, 'a run is cancelled', 'piton.cancel_run(run, ''why'')');
    perform piton.end_run(run, reason, actor, null);
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    values (cancel_run.actor, 'cancel', 'run', cancel_run.run, jsonb_build_object('reason', cancel_run.reason));
end
$$;
comment on function piton.cancel_run(uuid, text, text) is 'Ends a run that is not finished, for a reason. What runs of it is stopped, what waits goes, its dead letters are dismissed; its checkpoints stay.';
-- Whoever comes first takes the rows; two workers that look at once do not wait for each other.
create or replace function piton.end_overdue_runs(most integer) returns setof uuid
language plpgsql
as $$
declare
    due record;
begin
    for due in
        select d.run_id, d.at, r.uuid as run
        from piton.deadlines d left join piton.runs r on r.id = d.run_id and r.state in ('running', 'blocked')
        where d.at <= now()
        order by d.at
        limit most
        for update of d skip locked
    loop
        begin
            if due.run is not null then
                perform piton.end_run(due.run, 'its deadline passed: ' || due.at, 'piton', due.at);
                return next due.run;
            end if;
        exception when object_not_in_prerequisite_state then
            -- It has finished at this very moment.
            null;
        end;
        delete from piton.deadlines d where d.run_id = due.run_id;
    end loop;
end
$$;
comment on function piton.end_overdue_runs(integer) is 'For Piton itself: cancels runs whose deadline has passed, no more than so many, and tells which. Every worker asks when one is due.';
-- By its name or by its id: no name looks like an id.
create or replace function piton.batch_named(batch text) returns bigint
language plpgsql stable
as $$
declare
    found_id bigint;
begin
    if batch ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
        select b.id into found_id from piton.batches b where b.uuid = batch_named.batch::uuid;
    else
        select b.id into found_id from piton.batches b where b.name = batch_named.batch;
    end if;
    if found_id is null then
        raise exception 'there is no batch "%"', batch
            using errcode = 'no_data_found',
                  hint = 'The newest: select name, workflow, state from piton.batches_overview order by batch desc limit 20.';
    end if;
    return found_id;
end
$$;
comment on function piton.batch_named(text) is 'For Piton itself: the key of a batch by its name or its id; raises where there is none.';
-- Says what is wrong with a batch to which somebody wants to add items.
create or replace function piton.refuse_batch(batch bigint) returns void
language plpgsql
as $$
declare
    known piton.batches;
begin
    select b.* into known from piton.batches b where b.id = refuse_batch.batch;
    if known.id is null then
        raise exception 'the batch was discarded meanwhile'
            using errcode = 'no_data_found', hint = 'Start it again.';
    end if;
    raise exception 'batch "%" was % already, with % items', known.name,
        case known.state when 'cancelled' then 'cancelled' else 'started' end, known.items
        using errcode = 'object_not_in_prerequisite_state', hint = 'Give a new batch another name.';
end
$$;
comment on function piton.refuse_batch(bigint) is 'For Piton itself: raises the error that says why no items can be added to a batch.';
-- A name that is open already is gone on with: whoever crashed while items came in asks again. Nothing of it has begun, so
-- that all but its items may be another one now.
create or replace function piton.open_batch(
    name text, workflow text, cap integer default null, priority integer default 0, actor text default session_user
) returns bigint
language plpgsql
as $$
declare
    queue bigint;
    version bigint;
    key bigint;
begin
    if name is null or workflow is null or priority is null then
        raise exception 'the name of a batch, its workflow and its priority must not be null'
            using errcode = 'null_value_not_allowed', hint = 'Leave the priority out for 0.';
    end if;
    if name !~ '^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,99}$' or name ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
        raise exception 'a batch cannot be named "%": a name has up to 100 letters, digits and . _ : @ + -, begins with a letter or digit, and is no id', left(name, 120)
            using errcode = 'invalid_parameter_value', hint = 'Name it such as nightly-2026-11-27.';
    end if;
    if priority not between -1000 and 1000 then
        raise exception 'the runs'' priority is %, and must be between -1000 and 1000', priority
            using errcode = 'numeric_value_out_of_range', hint = 'Higher is claimed first; 0 is the default.';
    end if;
    if cap < 1 then
        raise exception 'the cap is %, and must be at least 1', cap
            using errcode = 'numeric_value_out_of_range', hint = 'Leave it out to start all runs at once.';
    end if;
    select w.id, w.current_version_id into queue, version from piton.workflows w where w.name = open_batch.workflow;
    if version is null then
        perform piton.refuse_workflow(workflow);
    end if;
    insert into piton.batches as b (uuid, name, workflow_id, version_id, cap, priority, created_by)
    values (piton.new_id(), open_batch.name, queue, version, open_batch.cap, open_batch.priority, open_batch.actor)
    on conflict on constraint batches_name_key do update
    set workflow_id = excluded.workflow_id, version_id = excluded.version_id, cap = excluded.cap, priority = excluded.priority
    where b.state = 'open'
    returning b.id into key;
    if key is null then
        perform piton.refuse_batch(piton.batch_named(name));
    end if;
    return key;
end
$$;
comment on function piton.open_batch(text, text, integer, integer, text) is 'Opens a batch for items, or goes on with one of that name that is still open, and returns its key for piton.add_to_batch and piton.seal_batch. Nothing of it begins before it is sealed.';
-- May be sent again: items that are there are compared, not added.
create or replace function piton.add_to_batch(batch bigint, first integer, inputs json[]) returns void
language plpgsql
as $$
declare
    open_one piton.batches;
    other integer;
begin
    if first is null or inputs is null or array_position(inputs::text[], null) is not null then
        raise exception 'the number of the first item and the inputs must not be null'
            using errcode = 'null_value_not_allowed', hint = 'An empty input is {}.';
    end if;
    select b.* into open_one from piton.batches b where b.id = add_to_batch.batch and b.state = 'open' for no key update;
    if not found then
        perform piton.refuse_batch(batch);
    end if;
    if first < 1 or first > open_one.items + 1 then
        raise exception 'the next item of batch "%" is number %, and % was given', open_one.name, open_one.items + 1, first
            using errcode = 'invalid_parameter_value', hint = 'Items are added in order, from 1.';
    end if;
    perform piton.check_input(input) from unnest(inputs) as input
    where octet_length(input::text) > 200 or position('\u0000' in input::text) > 0;
    select i.number into other
    from unnest(inputs) with ordinality as n (input, place)
    join piton.batch_items i on i.batch_id = open_one.id and i.number = first + n.place - 1
    where n.place <= open_one.items - first + 1 and i.input::text <> n.input::text
    order by i.number limit 1;
    if found then
        raise exception 'item % of batch "%", which was begun before and not finished, is another one', other, open_one.name
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Give the same inputs to go on with it, or cancel it to begin anew.';
    end if;
    insert into piton.batch_items (batch_id, number, input)
    select open_one.id, first + n.place - 1, n.input
    from unnest(inputs) with ordinality as n (input, place)
    where first + n.place - 1 > open_one.items;
    update piton.batches b set items = greatest(b.items, first - 1 + cardinality(inputs)) where b.id = open_one.id;
end
$$;
comment on function piton.add_to_batch(bigint, integer, json[]) is 'Adds items to an open batch, the first of them with that number; those that are there already have to be the same.';
create or replace function piton.seal_batch(batch bigint, items integer) returns void
language plpgsql
as $$
declare
    open_one piton.batches;
begin
    select b.* into open_one from piton.batches b where b.id = seal_batch.batch and b.state = 'open' for no key update;
    if not found then
        perform piton.refuse_batch(batch);
    end if;
    if open_one.items <> items then
        raise exception 'batch "%", which was begun before and not finished, has % items, and % were given',
            open_one.name, open_one.items, items
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Give the same inputs to go on with it, or cancel it to begin anew.';
    end if;
    if items = 0 then
        raise exception 'a batch has at least one item, and there is none'
            using errcode = 'invalid_parameter_value', hint = 'An empty input is {}.';
    end if;
    update piton.batches b set state = 'sealed', sealed_at = now(), feed_at = now() where b.id = open_one.id;
end
$$;
comment on function piton.seal_batch(bigint, integer) is 'All items of a batch are in, so many: its runs begin from now on.';
-- One at a time: whoever has the batch's row sees every place that is taken. Costs the cap and the runs that begin, however
-- many runs there are; the settings keep it so with whatever statistics, in whatever session.
create or replace function piton.feed_batch(batch bigint, most integer) returns integer
language plpgsql
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
    fed piton.batches;
    plan record;
    room integer := most;
    ids uuid[];
begin
    select b.* into fed from piton.batches b
    where b.id = feed_batch.batch and b.state = 'sealed'
    for no key update skip locked;
    if not found then
        return case when exists (select from piton.batches b where b.id = feed_batch.batch and b.state = 'sealed')
                    then null else 0 end;
    end if;
    if exists (select from piton.pauses p where p.workflow_id = any(array[fed.workflow_id, 0]) and p.stage = '') then
        return 0;
    end if;
    if fed.cap is not null then
        delete from piton.batch_places p
        where p.batch_id = fed.id
          and not exists (select from piton.runs r where r.id = any(array[p.run_id]) and r.state in ('running', 'blocked'));
        room := least(room, fed.cap - (select count(*) from piton.batch_places p where p.batch_id = fed.id));
    end if;
    room := greatest(least(room, fed.items - fed.started), 0);
    if room > 0 then
        select v.start_stages, v.join_stages, v.join_missing into plan
        from piton.workflow_versions v where v.id = fed.version_id;
        -- By its place in an array, and not by a join, which can be planned badly.
        ids := array(select piton.new_id() from generate_series(1, room));
        with run as (
            insert into piton.runs (uuid, version_id, priority, input)
            select ids[i.number - fed.started], fed.version_id, fed.priority, i.input
            from piton.batch_items i
            where i.batch_id = fed.id and i.number > fed.started and i.number <= fed.started + room
            order by i.number
            returning id
        ),
        job as (
            insert into piton.jobs (run_id, workflow_id, version_id, stage, state, rank)
            select run.id, fed.workflow_id, fed.version_id, stage, 'ready', -fed.priority
            from run cross join unnest(plan.start_stages) as stage
        ),
        joined as (
            insert into piton.joins (run_id, stage, missing)
            select run.id, j.stage, j.missing from run cross join unnest(plan.join_stages, plan.join_missing) as j (stage, missing)
        )
        insert into piton.batch_places (batch_id, run_id) select fed.id, run.id from run where fed.cap is not null;
        update piton.batch_items i set run = ids[i.number - fed.started], input = null
        where i.batch_id = fed.id and i.number > fed.started and i.number <= fed.started + room;
        perform pg_notify('piton_jobs', '');
    end if;
    update piton.batches b
    set started = b.started + room, feed_at = now() + interval '2 seconds',
        state = case when b.started + room = b.items then 'started' else b.state end
    where b.id = fed.id;
    if fed.started + room = fed.items then
        delete from piton.batch_places p where p.batch_id = fed.id;
    end if;
    return room;
end
$$;
comment on function piton.feed_batch(bigint, integer) is 'For Piton itself: starts runs of a sealed batch, as many as its cap has room for, and no more than so many. Returns how many; null where somebody else is at it.';
-- Those that have waited longest first, and not all in one transaction, if there are a great many.
create or replace function piton.feed_batches(most integer) returns boolean
language plpgsql
as $$
declare
    hungry bigint;
    fed integer;
    again boolean := false;
begin
    for hungry in
        select b.id from piton.batches b
        where b.state = 'sealed'
          and not exists (
              select from piton.pauses p where p.workflow_id = any(array[b.workflow_id, 0]) and p.stage = '')
        order by b.feed_at
        limit 20
    loop
        fed := piton.feed_batch(hungry, most);
        again := again or fed is null or fed = most;
    end loop;
    return again;
end
$$;
comment on function piton.feed_batches(integer) is 'For Piton itself: starts more runs of the batches that have room, no more than so many of each. Tells whether there is more to do at once.';
create or replace function piton.start_batch(
    name text, workflow text, inputs json[], cap integer default null, priority integer default 0,
    actor text default session_user
) returns uuid
language plpgsql
as $$
declare
    key bigint := piton.open_batch(name, workflow, cap, priority, actor);
begin
    perform piton.add_to_batch(key, 1, inputs);
    perform piton.seal_batch(key, cardinality(inputs));
    while piton.feed_batch(key, 10000) > 0 loop
    end loop;
    return (select b.uuid from piton.batches b where b.id = key);
end
$$;
comment on function piton.start_batch(text, text, json[], integer, integer, text) is 'Starts a run for each input, under one name, and returns the batch''s id. With a cap only so many of them are not finished at once, and workers start more as they end. They start when the caller''s transaction commits; all of them or none. A name is used once.';
create or replace function piton.discard_batch(batch bigint) returns void
language plpgsql
as $$
begin
    delete from piton.batches b where b.id = discard_batch.batch and b.state = 'open';
    if not found then
        perform piton.refuse_batch(batch);
    end if;
    delete from piton.batch_items i where i.batch_id = discard_batch.batch;
end
$$;
comment on function piton.discard_batch(bigint) is 'Takes away a batch that is still open: nothing of it has begun, and its name is free again.';
-- The batch's row first: whoever feeds it is through, or finds it cancelled. One that was cancelled before is gone on with
-- while runs of it are left.
create or replace function piton.stop_batch(batch text, reason text, actor text default session_user) returns bigint
language plpgsql
as $$
declare
    known piton.batches;
begin
    perform piton.check_reason(reason, 'a batch is cancelled', 'piton.cancel_batch(batch, ''why'')');
    select b.* into known from piton.batches b where b.id = piton.batch_named(batch) for no key update;
    if known.state = 'open' then
        perform piton.discard_batch(known.id);
        return null;
    end if;
    if known.state <> 'sealed' and not exists (
        select from piton.batch_items i join piton.runs r on r.uuid = i.run
        where i.batch_id = known.id and r.state in ('running', 'blocked')
    ) then
        raise exception 'batch "%" is % already', known.name, case known.state when 'cancelled' then 'cancelled' else 'over' end
            using errcode = 'object_not_in_prerequisite_state', hint = 'Nothing of it is left to be cancelled.';
    end if;
    update piton.batches b
    set state = 'cancelled', cancelled_by = stop_batch.actor, cancelled_at = now(), cancel_reason = reason
    where b.id = known.id and b.state <> 'cancelled';
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    select stop_batch.actor, 'cancel', 'batch', known.uuid, jsonb_build_object('name', known.name, 'reason', reason)
    where known.state <> 'cancelled';
    delete from piton.batch_places p where p.batch_id = known.id;
    return known.id;
end
$$;
comment on function piton.stop_batch(text, text, text) is 'For Piton itself: nothing more of a batch begins; its runs are cancelled next (piton.cancel_batch_runs). Returns its key; null where it was open, and is discarded.';
-- The runs' rows first, in order, as whoever decides about several runs does.
create or replace function piton.cancel_batch_runs(batch bigint, first integer, last integer, actor text) returns setof uuid
language plpgsql
as $$
declare
    reason text := (select 'batch ' || b.name || ' was cancelled: ' || b.cancel_reason
                    from piton.batches b where b.id = cancel_batch_runs.batch);
    runs uuid[];
    live uuid;
begin
    select array_agg(locked.uuid) into runs
    from (
        select r.uuid
        from piton.batch_items i join piton.runs r on r.uuid = i.run
        where i.batch_id = cancel_batch_runs.batch and i.number between first and last and r.state in ('running', 'blocked')
        order by r.id
        for update of r
    ) as locked;
    foreach live in array coalesce(runs, '{}') loop
        perform piton.cancel_run(live, reason, actor);
        return next live;
    end loop;
end
$$;
comment on function piton.cancel_batch_runs(bigint, integer, integer, text) is 'For Piton itself: cancels the runs of these items of a cancelled batch that are not finished, and tells which.';
create or replace function piton.cancel_batch(batch text, reason text, actor text default session_user) returns bigint
language plpgsql
as $$
declare
    key bigint := piton.stop_batch(batch, reason, actor);
    items integer := (select b.items from piton.batches b where b.id = key);
begin
    return (select count(*) from piton.cancel_batch_runs(key, 1, items, actor));
end
$$;
comment on function piton.cancel_batch(text, text, text) is 'Ends a batch, by its name or id, for a reason: items that have not begun never do, runs that are not finished are cancelled. Returns how many those were. One that is still open is discarded.';
create or replace function piton.retry_batch(
    batch text, class text default null, actor text default session_user, note text default null
) returns setof uuid
language plpgsql
as $$
declare
    key bigint := piton.batch_named(batch);
    letters uuid[];
begin
    select array_agg(d.id) into letters
    from piton.batch_items i
    join piton.runs r on r.uuid = i.run and r.state = 'blocked'
    join piton.dead_letters d on d.run_id = r.id and d.resolution = 'pending'
    where i.batch_id = key and (retry_batch.class is null or d.class = retry_batch.class);
    perform piton.retry_dead_letters(letters, actor, note);
    return query select unnest(letters);
end
$$;
comment on function piton.retry_batch(text, text, text, text) is 'Lets the jobs of a batch''s pending dead letters go on, all or those of a failure class, as piton.retry_dead_letters does; returns their ids.';
-- Outputs of the stages that nothing needs, as `piton show` has them: a fanned-out one has as many as it has items, and is
-- left out.
create or replace function piton.batch_results(batch text, after integer default 0, most integer default 2147483647)
returns table (item integer, run uuid, state text, output json, failure json)
language sql stable
as $$
    with asked as materialized (
        select b.id, b.version_id from piton.batches b where b.id = piton.batch_named(batch_results.batch)
    ),
    stage as materialized (
        select s.stage, s.name, s.needs, s.fans_out from asked a cross join lateral piton.stages_of(a.version_id) s
    ),
    last_stage as materialized (
        select s.stage, s.name from stage s
        where not s.fans_out and not exists (select from stage t where s.stage = any(t.needs))
    )
    select i.number, i.run,
           case when i.run is null then 'not_started' when r.id is null then 'gone' else r.state end,
           case r.state when 'done' then (
               select coalesce(json_object_agg(l.name, k.output order by l.stage), '{}')
               from last_stage l
               join piton.checkpoints k on k.run_id = any(array[r.id]) and k.stage = l.stage and k.item = -1) end,
           case r.state
               when 'blocked' then (
                   select json_build_object('dead_letter', d.id, 'stage', (select s.name from stage s where s.stage = d.stage),
                                            'item', nullif(d.item, -1), 'class', d.class, 'message', d.message)
                   from piton.dead_letters d where d.run_id = any(array[r.id]) and d.resolution = 'pending'
                   order by d.dead_at limit 1)
               when 'failed' then json_build_object('stage', (select s.name from stage s where s.stage = r.failed_stage),
                                                    'class', r.failure_class, 'message', r.failure_message)
               when 'cancelled' then (
                   select json_build_object('cancelled_by', c.cancelled_by, 'message', c.reason)
                   from piton.cancellations c where c.run_id = any(array[r.id])) end
    from asked a
    join piton.batch_items i on i.batch_id = a.id
    left join piton.runs r on r.uuid = i.run
    where i.number > batch_results.after and i.number <= batch_results.after::int8 + most
    order by i.number
$$;
comment on function piton.batch_results(text, integer, integer) is 'What became of the items of a batch, by its name or id: those behind that number, no more than so many. State is not_started, gone (cleaned up), or that of the run; the output is that of its last stages by name, the failure that of its first pending dead letter, of what it failed with, or why it was cancelled.';
-- Each from its runs: costs as many look-ups as the batches that are asked for have items.
create or replace view piton.batches_overview as
select b.uuid as batch, b.name, w.name as workflow, s.state, b.cap, b.priority, b.items, b.items - b.started as not_started,
       n.running, n.blocked, n.done, n.failed, n.cancelled, n.gone, n.dead_letters, t.why as waits, t.moves,
       s.per_minute, (b.items - b.started + n.running) / nullif(s.per_minute, 0) * 60 as left_seconds,
       b.created_by, b.created_at, b.sealed_at, case when s.state in ('done', 'failed') then n.last_end end as finished_at,
       b.cancelled_by, b.cancelled_at, b.cancel_reason
from piton.batches b
join piton.workflows w on w.id = b.workflow_id
cross join lateral (
    select count(*) filter (where r.state = 'running') as running, count(*) filter (where r.state = 'blocked') as blocked,
           count(*) filter (where r.state = 'done') as done, count(*) filter (where r.state = 'failed') as failed,
           count(*) filter (where r.state = 'cancelled') as cancelled, count(*) filter (where r.id is null) as gone,
           coalesce(sum(d.letters), 0)::int8 as dead_letters, max(r.finished_at) as last_end, min(r.started_at) as first_start,
           count(*) filter (where r.finished_at >= now() - interval '1 minute') as ended_lately
    from piton.batch_items i
    left join piton.runs r on r.uuid = i.run
    left join lateral (
        select count(*) as letters from piton.dead_letters d where d.run_id = r.id and d.resolution = 'pending'
    ) as d on r.state = 'blocked'
    where i.batch_id = b.id and i.number <= b.started
) as n
cross join lateral (
    select case when b.state = 'open' then 'filling'
                when b.state = 'cancelled' then 'cancelled'
                when n.running > 0 or b.state = 'sealed' and n.blocked < coalesce(b.cap, 2147483647) then 'running'
                when n.blocked > 0 then 'blocked'
                when n.failed > 0 then 'failed'
                else 'done' end as state,
           case when b.state in ('sealed', 'started') and n.running + b.items - b.started > 0 and n.ended_lately > 1
                then n.ended_lately * 60 / least(60, greatest(extract(epoch from now() - n.first_start), 0.1))::float8
           end as per_minute
) as s
left join lateral (
    select 'the workflow is paused by ' || p.paused_by || ': "' || p.reason || '"' as words
    from piton.pauses p
    where p.workflow_id in (b.workflow_id, 0) and p.stage = ''
    order by p.workflow_id desc limit 1
) as p on true
left join lateral (
    select case h.reason
               when 'open' then 'items still come in, or whoever sent them is gone'
               when 'paused' then p.words
               when 'cap' then n.running + n.blocked || ' of its runs are not finished, as many as its cap lets be at once'
                    || case when n.blocked > 0
                            then '; ' || n.blocked || ' of them are blocked, and keep their places until somebody decides' else '' end
               when 'no_worker' then 'no worker is alive'
               else 'a worker is about to start more' end as why,
           case h.reason
               when 'open' then 'the same "piton batch start" again, or piton batch cancel ' || b.name
               when 'paused' then 'piton resume'
               when 'cap' then case when n.running > 0 then 'the end of a run' else 'piton batch retry ' || b.name end
               when 'no_worker' then 'piton worker'
               else 'the next look of a worker, about a second' end as moves
    from (
        select case when b.state = 'open' then 'open'
                    when p.words is not null then 'paused'
                    when n.running + n.blocked >= b.cap then 'cap'
                    when not exists (select from piton.workers k where k.stopped_at is null) then 'no_worker'
                    else 'soon' end as reason
    ) as h
) as t on b.state in ('open', 'sealed');
comment on view piton.batches_overview is 'Batches, and how their runs are doing. The newest: order by batch desc limit 20.';
comment on column piton.batches_overview.batch is 'Its id. Ids grow with time.';
comment on column piton.batches_overview.name is 'Its name.';
comment on column piton.batches_overview.workflow is 'Name of the workflow.';
comment on column piton.batches_overview.state is 'filling (items come in), running, blocked (nothing goes on before somebody decides about a dead letter), done, failed (all have ended, and some failed), or cancelled.';
comment on column piton.batches_overview.cap is 'So many of its runs are not finished at once; empty for as many as there are.';
comment on column piton.batches_overview.priority is 'Priority of its runs.';
comment on column piton.batches_overview.items is 'How many items it has.';
comment on column piton.batches_overview.not_started is 'Items that have not begun.';
comment on column piton.batches_overview.running is 'Runs that are running.';
comment on column piton.batches_overview.blocked is 'Runs that wait for a decision about a dead letter.';
comment on column piton.batches_overview.done is 'Runs that are done.';
comment on column piton.batches_overview.failed is 'Runs that failed.';
comment on column piton.batches_overview.cancelled is 'Runs that were cancelled.';
comment on column piton.batches_overview.gone is 'Runs that have ended and were cleaned up since.';
comment on column piton.batches_overview.dead_letters is 'Dead letters of its runs that wait for a decision.';
comment on column piton.batches_overview.waits is 'Why the items that have not begun do not; empty where there is none.';
comment on column piton.batches_overview.moves is 'What would move them.';
comment on column piton.batches_overview.per_minute is 'Runs that end in a minute, by the last minute; empty where fewer than two did.';
comment on column piton.batches_overview.left_seconds is 'How long the rest will take at that rate, without what is blocked.';
comment on column piton.batches_overview.created_by is 'Who started it.';
comment on column piton.batches_overview.created_at is 'When.';
comment on column piton.batches_overview.sealed_at is 'When all its items were in.';
comment on column piton.batches_overview.finished_at is 'When its last run ended.';
comment on column piton.batches_overview.cancelled_by is 'Who cancelled it.';
comment on column piton.batches_overview.cancelled_at is 'When.';
comment on column piton.batches_overview.cancel_reason is 'Why, in words.';
-- Claims look stages up by version and position, and never read a definition. Several processes may register versions of one
-- workflow at once.
create or replace function piton.renew_paused_stages(workflow bigint) returns void
language plpgsql
as $$
begin
    with wanted as materialized (
        select s.version_id, s.stage
        from piton.pauses p
        join piton.stage_names s on s.workflow_id = p.workflow_id and s.name = p.stage
        where p.workflow_id = renew_paused_stages.workflow
    ),
    over as (
        delete from piton.paused_stages s
        using piton.workflow_versions v
        where v.workflow_id = renew_paused_stages.workflow and s.version_id = v.id
          and not exists (select from wanted w where w.version_id = s.version_id and w.stage = s.stage)
    )
    insert into piton.paused_stages (version_id, stage)
    select w.version_id, w.stage from wanted w
    on conflict (version_id, stage) do nothing;
end
$$;
comment on function piton.renew_paused_stages(bigint) is 'For Piton itself: brings piton.paused_stages up to date with piton.pauses, for one workflow.';
-- "between" keeps the count in the limit's own index: by an equality the planner may take the one of all that runs.
--
-- By a rate, attempts begin at least `spacing` apart, but for a burst that is due within a twentieth of a second, so that claims
-- need not come one by one. With the burst taken off, no stretch of time of the period's length has more than the rate says.
create or replace function piton.limit_room(limit_id bigint, at timestamptz)
returns table (room integer, running integer, wait interval, burst integer, spacing interval)
language sql stable
as $$
    select coalesce(least(
               case when s.concurrency is not null then greatest(s.concurrency - busy.attempts, 0) end,
               case when s.next_at > limit_room.at then 0
                    when s.rate_attempts is not null
                    then least(most.burst, 1 + floor(extract(epoch from limit_room.at - s.next_at) / extract(epoch from rate.spacing)))
               end)::int4, 2147483647),
           busy.attempts, case when s.next_at > limit_room.at then s.next_at - limit_room.at end, most.burst, rate.spacing
    from piton.stage_limits s
    cross join lateral (
        select count(*)::int4 as attempts from piton.jobs j
        where j.limit_id = any(array[s.id]) and j.state between 'running' and 'running'
    ) as busy
    cross join lateral (
        select greatest(1, floor(s.rate_attempts * 0.05 / extract(epoch from s.rate_period)))::int4 as burst
    ) as most
    cross join lateral (
        select s.rate_period / (s.rate_attempts - most.burst + 1) + interval '1 microsecond' as spacing
    ) as rate
    where s.id = any(array[limit_room.limit_id])
$$;
comment on function piton.limit_room(bigint, timestamptz) is 'For Piton itself: how many attempts may begin under a limit at that moment, how many run, how long its rate says to wait, and how it spreads them.';
-- One claim at a time decides under a limit: it holds the limit's row, and counts in a snapshot that is newer than the lock, so
-- that it sees whatever the one before it has claimed. Who finds the row locked goes on with the next limit: nobody waits here,
-- and so nobody who was stopped in the middle can make others wait. Where a transaction has one snapshot for all its
-- statements, the update makes the database refuse the slower of two.
--
-- The lock on the worker's row is that of claim.sql, and like there no payload is read.
create or replace function piton.claim_limited(
    worker bigint, workflows bigint[], at_most integer, lacks_versions bigint[], lacks_stages smallint[], waiting text
) returns table (
    run_id bigint, id bigint, workflow_id bigint, version_id bigint, stage smallint, item integer, until integer, attempt integer,
    since timestamptz, rank smallint, due_at timestamptz, claimable_since timestamptz, again_ms bigint
)
language plpgsql
as $$
#variable_conflict use_column
declare
    free integer := at_most;
    again interval;
    candidate bigint;
    allowed record;
    moment timestamptz;
    claimed integer;
begin
    perform from piton.workers w where w.id = worker and w.stopped_at is null for share;
    if not found then
        return;
    end if;
    for candidate in
        select s.id
        from piton.stage_limits s
        cross join lateral (
            select j.rank, j.due_at
            from piton.jobs j
            where j.limit_id = s.id and j.state = waiting
              and not exists (
                  select from unnest(lacks_versions, lacks_stages) as u (version_id, stage)
                  where u.version_id = j.version_id and u.stage = j.stage)
            order by j.rank, j.due_at, j.id
            limit 1
        ) as head
        where s.workflow_id = any(workflows)
          and not exists (
              select from piton.pauses p
              where p.workflow_id = any(array[s.workflow_id, 0]) and p.stage = any(array['', s.stage]))
        order by head.rank, head.due_at
    loop
        exit when free <= 0;
        moment := clock_timestamp();
        select r.* into allowed from piton.limit_room(candidate, moment) r;
        if not allowed.room > 0 then
            -- Where it is for those that run, their ends make room.
            again := least(again, allowed.wait);
            continue;
        end if;
        perform from piton.stage_limits s where s.id = any(array[candidate]) for no key update skip locked;
        if not found then
            again := least(again, interval '20 milliseconds');
            continue;
        end if;
        moment := clock_timestamp();
        select r.* into allowed from piton.limit_room(candidate, moment) r;
        return query
        with picked as materialized (
            select j.run_id, j.id, j.since
            from piton.jobs j
            where j.limit_id = candidate and j.state = waiting
              and not exists (
                  select from unnest(lacks_versions, lacks_stages) as u (version_id, stage)
                  where u.version_id = j.version_id and u.stage = j.stage)
            order by j.rank, j.due_at, j.id
            limit least(free, allowed.room)
            for no key update skip locked
        )
        update piton.jobs j
        set state = 'running', worker_id = worker, attempt = j.attempt + 1, since = moment
        from picked p
        where j.run_id = any(array[p.run_id]) and j.id = p.id
        returning j.run_id, j.id, j.workflow_id, j.version_id, j.stage, j.item, j.until, j.attempt, j.since, j.rank, j.due_at,
                  p.since, null::int8;
        get diagnostics claimed = row_count;
        free := free - claimed;
        if claimed > 0 and allowed.spacing is not null then
            update piton.stage_limits s
            set next_at = greatest(s.next_at, moment - (allowed.burst - 1) * allowed.spacing) + claimed * allowed.spacing
            where s.id = any(array[candidate])
            returning greatest(s.next_at - moment, interval '0') into allowed.wait;
        elsif claimed > 0 and current_setting('transaction_isolation') <> 'read committed' then
            update piton.stage_limits s set next_at = s.next_at where s.id = any(array[candidate]);
        end if;
        again := least(again, allowed.wait);
    end loop;
    if free = at_most and again is not null then
        -- Whoever has claimed asks again in time; all others together ask no more than two hundred times a second.
        again := greatest(again, (select count(*) from piton.workers w where w.stopped_at is null) * interval '5 milliseconds');
    end if;
    if again is not null then
        again_ms := ceil(extract(epoch from again) * 1000);
        return next;
    end if;
end
$$;
comment on function piton.claim_limited(bigint, bigint[], integer, bigint[], smallint[], text) is 'For Piton itself: claims jobs that wait under limits of their stages (limited, or suspect), as many as the limits allow and at_most in all. A last row without a job says in how many milliseconds to ask again.';
-- The current version decides for the jobs of all versions: what they call is the same. Attempts that run already count, too.
create or replace function piton.renew_limits(workflow bigint) returns void
language plpgsql
as $$
declare
    changed boolean;
begin
    with wanted as materialized (
        select s.definition ->> 'name' as stage, (s.definition ->> 'concurrency')::int4 as concurrency,
               (s.definition #>> '{rate,attempts}')::int4 as attempts,
               (s.definition #>> '{rate,period_ms}')::int8 * interval '1 millisecond' as period
        from piton.workflows w
        join piton.workflow_versions v on v.id = w.current_version_id
        cross join lateral json_array_elements(v.definition -> 'stages') as s (definition)
        where w.id = renew_limits.workflow
          and (s.definition -> 'concurrency' is not null or s.definition -> 'rate' is not null)
    ),
    kept as (
        insert into piton.stage_limits as l (workflow_id, stage, concurrency, rate_attempts, rate_period)
        select renew_limits.workflow, w.stage, w.concurrency, w.attempts, w.period from wanted w
        on conflict (workflow_id, stage) do update
        set concurrency = excluded.concurrency, rate_attempts = excluded.rate_attempts, rate_period = excluded.rate_period,
            next_at = now()
        where (l.concurrency, l.rate_attempts, l.rate_period)
              is distinct from (excluded.concurrency, excluded.rate_attempts, excluded.rate_period)
        returning 1
    ),
    lifted as (
        update piton.stage_limits l set concurrency = null, rate_attempts = null, rate_period = null, next_at = now()
        where l.workflow_id = renew_limits.workflow and not exists (select from wanted w where w.stage = l.stage)
          and (l.concurrency is not null or l.rate_attempts is not null)
        returning 1
    )
    select exists (select from kept) or exists (select from lifted) into changed;
    with wanted as materialized (
        select s.version_id, s.stage, l.id
        from piton.stage_limits l
        join piton.stage_names s on s.workflow_id = l.workflow_id and s.name = l.stage
        where l.workflow_id = renew_limits.workflow and (l.concurrency is not null or l.rate_attempts is not null)
    ),
    over as (
        delete from piton.limited_stages s
        using piton.stage_limits l
        where l.workflow_id = renew_limits.workflow and s.limit_id = l.id
          and not exists (select from wanted w where w.version_id = s.version_id and w.stage = s.stage)
    )
    insert into piton.limited_stages (version_id, stage, limit_id)
    select w.version_id, w.stage, w.id from wanted w
    on conflict (version_id, stage) do nothing;
    if not changed and not found then
        return;
    end if;
    -- Everyone who locks several jobs locks them in this order.
    with theirs as materialized (
        select j.run_id, j.id, l.limit_id
        from piton.jobs j
        join piton.limited_stages l on l.version_id = j.version_id and l.stage = j.stage
        where j.workflow_id = renew_limits.workflow and j.state = 'running' and j.limit_id is distinct from l.limit_id
        order by j.run_id, j.id
        for no key update of j
    )
    update piton.jobs j set limit_id = t.limit_id
    from theirs t
    where j.run_id = t.run_id and j.id = t.id;
    perform pg_notify('piton_jobs', 'pauses');
end
$$;
comment on function piton.renew_limits(bigint) is 'For Piton itself: brings piton.stage_limits and piton.limited_stages up to date with the current version of a workflow.';
-- One process at a time, so that pauses and limits are those of the version that stays. A stage that is paused or limited is so
-- before any run of the version can start.
create or replace function piton.make_current(workflow bigint, version bigint) returns void
language plpgsql
as $$
begin
    perform from piton.workflows w where w.id = make_current.workflow for no key update;
    update piton.workflows w set current_version_id = make_current.version
    where w.id = make_current.workflow and w.current_version_id is distinct from make_current.version;
    perform piton.renew_paused_stages(make_current.workflow);
    perform piton.renew_limits(make_current.workflow);
end
$$;
comment on function piton.make_current(bigint, bigint) is 'For Piton itself: makes a version the one that runs are started of, and brings pauses and limits of its stages up to date.';
create or replace view piton.limits_overview as
select w.name as workflow, s.stage, s.concurrency, s.rate_attempts, s.rate_period, r.running,
       (select count(*) from piton.jobs j where j.limit_id = s.id and j.state = 'limited') as waiting,
       case when r.wait is not null then s.next_at end as next_at,
       case when s.concurrency <= r.running
            then r.running || ' of ' || s.concurrency || ' attempts run' || coalesce(', on ' || held.names, '')
            when r.wait is not null
            then s.rate_attempts || ' attempts in ' || s.rate_period || ', the next at ' || to_char(s.next_at, 'HH24:MI:SS')
       end as reached,
       s.id as limit_id
from piton.stage_limits s
join piton.workflows w on w.id = s.workflow_id
cross join lateral piton.limit_room(s.id, now()) as r
left join lateral (
    select string_agg(k.name || case when k.jobs > 1 then ' (' || k.jobs || ')' else '' end, ', ' order by k.name) as names
    from (
        select l.name, count(*) as jobs
        from piton.jobs j join piton.workers l on l.id = j.worker_id
        where j.limit_id = s.id and j.state = 'running'
        group by l.name
    ) as k
) as held on true
where s.concurrency is not null or s.rate_attempts is not null;
comment on view piton.limits_overview is 'Stages with limits, and how far they are reached.';
comment on column piton.limits_overview.workflow is 'Name of the workflow.';
comment on column piton.limits_overview.stage is 'Name of the stage.';
comment on column piton.limits_overview.concurrency is 'Attempts that may run at once; empty for no limit.';
comment on column piton.limits_overview.rate_attempts is 'Attempts that may begin within rate_period; empty for no limit.';
comment on column piton.limits_overview.rate_period is 'The time that rate_attempts are for.';
comment on column piton.limits_overview.running is 'Attempts that run.';
comment on column piton.limits_overview.waiting is 'Jobs that wait for the limit, or for a slot behind it.';
comment on column piton.limits_overview.next_at is 'When the rate allows the next attempt; empty where it does now.';
comment on column piton.limits_overview.reached is 'What of it is reached, in words; empty where another attempt may begin.';
comment on column piton.limits_overview.limit_id is 'What jobs refer to it by.';
-- What a pause is about, checked: the workflow's id, or 0 for all.
create or replace function piton.queue_named(workflow text, stage text) returns bigint
language plpgsql
as $$
declare
    found_id bigint;
begin
    if workflow is null then
        if stage is not null then
            raise exception 'stage "%" belongs to a workflow, and none was named', stage
                using errcode = 'invalid_parameter_value', hint = 'Name its workflow, or leave the stage out for everything.';
        end if;
        return 0;
    end if;
    select w.id into found_id from piton.workflows w where w.name = queue_named.workflow;
    if not found then
        perform piton.refuse_workflow(workflow);
    end if;
    if stage is not null and not exists (
        select from piton.stage_names s where s.workflow_id = found_id and s.name = queue_named.stage
    ) then
        raise exception 'workflow "%" has no stage "%"', workflow, stage
            using errcode = 'undefined_object',
                  hint = 'See them with: select s.name from piton.workflows w, piton.stages_of(w.current_version_id) s where w.name = ' || quote_literal(workflow) || '.';
    end if;
    return found_id;
end
$$;
comment on function piton.queue_named(text, text) is 'For Piton itself: the id of a workflow that is to be paused or resumed, 0 for all of them; raises where there is no such workflow or stage.';
-- A claim reads piton.pauses itself, so none begins that did not see the pause. A branch that would go on to its next stage in
-- its slot goes by the last look of its worker, which looks when it is notified, and about once a second anyway.
create or replace function piton.pause(
    reason text, workflow text default null, stage text default null, actor text default session_user
) returns void
language plpgsql
as $$
declare
    queue bigint := piton.queue_named(workflow, stage);
begin
    perform piton.check_reason(reason, 'something is paused', 'piton.pause(''why'', ''workflow'')');
    insert into piton.pauses (workflow_id, stage, reason, paused_by)
    values (queue, coalesce(pause.stage, ''), pause.reason, pause.actor)
    on conflict on constraint pauses_pkey do update
    set reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at;
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    values (pause.actor, 'pause', 'queue', coalesce(pause.workflow, 'everything'),
            jsonb_strip_nulls(jsonb_build_object('stage', pause.stage, 'reason', pause.reason)));
    perform piton.renew_paused_stages(queue);
    perform pg_notify('piton_jobs', 'pauses');
end
$$;
comment on function piton.pause(text, text, text, text) is 'Pauses a workflow, a stage of it, or everything (no workflow), for a reason: no job of it is claimed any more. What runs goes on to its end.';
create or replace function piton.resume(
    workflow text default null, stage text default null, actor text default session_user
) returns void
language plpgsql
as $$
declare
    queue bigint := piton.queue_named(workflow, stage);
begin
    delete from piton.pauses p where p.workflow_id = queue and p.stage = coalesce(resume.stage, '');
    if not found then
        raise exception '% is not paused', case when workflow is null then 'everything' when stage is null
                then 'workflow "' || workflow || '"' else 'stage "' || stage || '" of workflow "' || workflow || '"' end
            using errcode = 'object_not_in_prerequisite_state', hint = 'What is: select * from piton.pauses_overview.';
    end if;
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    values (resume.actor, 'resume', 'queue', coalesce(resume.workflow, 'everything'),
            jsonb_strip_nulls(jsonb_build_object('stage', resume.stage)));
    perform piton.renew_paused_stages(queue);
    perform pg_notify('piton_jobs', 'pauses');
end
$$;
comment on function piton.resume(text, text, text) is 'Ends the pause of a workflow, of a stage, or of everything (no workflow). A workflow stays paused while everything is.';
create or replace view piton.pauses_overview as
select w.name as workflow, nullif(p.stage, '') as stage, p.reason, p.paused_by, p.paused_at
from piton.pauses p
left join piton.workflows w on w.id = p.workflow_id;
comment on view piton.pauses_overview is 'What is paused, by whom and why.';
comment on column piton.pauses_overview.workflow is 'Name of the workflow; empty for every one.';
comment on column piton.pauses_overview.stage is 'Name of the stage; empty for every stage.';
comment on column piton.pauses_overview.reason is 'Why.';
comment on column piton.pauses_overview.paused_by is 'Who did it.';
comment on column piton.pauses_overview.paused_at is 'When.';
-- Runs, for people. Newest first by `order by run desc`: ids grow with time, and have an index.
create or replace view piton.runs_overview as
select r.uuid as run, w.name as workflow, r.state, r.priority, r.started_at, r.finished_at,
       coalesce(r.finished_at, now()) - r.started_at as duration,
       (select count(*) from piton.dead_letters d where d.run_id = r.id and d.resolution = 'pending') as dead_letters,
       v.definition -> 'stages' -> r.failed_stage::int4 ->> 'name' as failed_stage, r.failure_class, r.failure_message,
       encode(v.digest, 'hex') as workflow_version, r.input
from piton.runs r
join piton.workflow_versions v on v.id = r.version_id
join piton.workflows w on w.id = v.workflow_id;
comment on view piton.runs_overview is 'Runs, with names. The newest: order by run desc limit 20.';
comment on column piton.runs_overview.run is 'Its id. Ids grow with time.';
comment on column piton.runs_overview.workflow is 'Name of the workflow.';
comment on column piton.runs_overview.state is 'running, blocked (a dead letter waits for a decision), done or failed.';
comment on column piton.runs_overview.priority is 'Higher is claimed first.';
comment on column piton.runs_overview.started_at is 'When it was started.';
comment on column piton.runs_overview.finished_at is 'When it was done, or a dead letter of it was dismissed.';
comment on column piton.runs_overview.duration is 'From its start to its end, or until now.';
comment on column piton.runs_overview.dead_letters is 'Its dead letters that wait for a decision.';
comment on column piton.runs_overview.failed_stage is 'Name of the stage whose dead letter was dismissed.';
comment on column piton.runs_overview.failure_class is 'Class of that failure.';
comment on column piton.runs_overview.failure_message is 'Its message.';
comment on column piton.runs_overview.workflow_version is 'Digest of the version that it follows.';
comment on column piton.runs_overview.input is 'Its input.';
-- Live jobs by stage and state. Walks what is live.
create or replace view piton.queue_depth as
select w.name as workflow, v.definition -> 'stages' -> q.stage::int4 ->> 'name' as stage, q.state,
       sum(q.jobs)::int8 as jobs, min(q.since) as oldest_since, min(q.due_at) as next_due_at
from (
    select j.workflow_id, j.version_id, j.stage, j.state, count(*) as jobs, min(j.since) as since,
           min(j.due_at) filter (where j.state = 'scheduled') as due_at
    from piton.jobs j
    group by j.workflow_id, j.version_id, j.stage, j.state
) as q
join piton.workflow_versions v on v.id = q.version_id
join piton.workflows w on w.id = q.workflow_id
group by w.name, v.definition -> 'stages' -> q.stage::int4 ->> 'name', q.state;
comment on view piton.queue_depth is 'How many jobs are live, by stage and state.';
comment on column piton.queue_depth.workflow is 'Name of the workflow.';
comment on column piton.queue_depth.stage is 'Name of the stage.';
comment on column piton.queue_depth.state is 'ready, running, scheduled (due later), suspect (waiting to run alone) or limited (waiting for the limit of its stage).';
comment on column piton.queue_depth.jobs is 'How many. A branch of a fan-out is one job, with the items that it has still to do.';
comment on column piton.queue_depth.oldest_since is 'Since when the oldest of them is in that state.';
comment on column piton.queue_depth.next_due_at is 'When the next scheduled one is due.';
-- Every attempt that has ended, with names. Asked for one run (where run = ...) it costs what that run has.
create or replace view piton.attempts_overview as
select r.uuid as run, w.name as workflow, v.definition -> 'stages' -> e.stage::int4 ->> 'name' as stage,
       nullif(e.item, -1) as item, e.attempt, e.outcome, e.class, e.message, k.name as worker, e.started_at, e.ended_at,
       e.ended_at - e.started_at as duration, e.retry_at, e.output_bytes
from (
    select run_id, stage, item, attempt, 'done' as outcome, null as class, null as message, worker_id, started_at,
           finished_at as ended_at, null::timestamptz as retry_at, bytes as output_bytes
    from piton.checkpoints
    union all
    select run_id, stage, item, attempt, outcome, class, message, worker_id, started_at, ended_at, retry_at, null
    from piton.attempts
) as e
join piton.runs r on r.id = e.run_id
join piton.workflow_versions v on v.id = r.version_id
join piton.workflows w on w.id = v.workflow_id
left join piton.workers k on k.id = e.worker_id;
comment on view piton.attempts_overview is 'The story of runs: every attempt that has ended. Those before a redo are in piton.past_attempts and piton.past_checkpoints.';
comment on column piton.attempts_overview.run is 'Id of its run.';
comment on column piton.attempts_overview.workflow is 'Name of the workflow.';
comment on column piton.attempts_overview.stage is 'Name of the stage.';
comment on column piton.attempts_overview.item is 'Item of a fanned-out stage; empty for a whole stage and for its split into items.';
comment on column piton.attempts_overview.attempt is 'Its number, from 1.';
comment on column piton.attempts_overview.outcome is 'done, failed, lost (its worker was gone), released (handed back) or cancelled.';
comment on column piton.attempts_overview.class is 'Failure class; empty where no failure is counted.';
comment on column piton.attempts_overview.message is 'What went wrong, in words.';
comment on column piton.attempts_overview.worker is 'Name of the worker that ran it.';
comment on column piton.attempts_overview.started_at is 'When it was claimed.';
comment on column piton.attempts_overview.ended_at is 'When its end was recorded.';
comment on column piton.attempts_overview.duration is 'How long it ran.';
comment on column piton.attempts_overview.retry_at is 'When its job is due again because of it; empty when it was given up.';
comment on column piton.attempts_overview.output_bytes is 'Size of its output.';
-- Names instead of keys, and all that is needed to judge one without logs.
create or replace view piton.dead_letters_overview as
select d.id, r.uuid as run, w.name as workflow, v.definition -> 'stages' -> d.stage::int4 ->> 'name' as stage,
       nullif(d.item, -1) as item, d.class, d.message, d.fingerprint, d.dead_at, d.resolution, d.resolved_at, d.resolved_by,
       d.note, d.attempt as attempts, k.name as worker, r.started_at as run_started_at, r.state as run_state,
       encode(v.digest, 'hex') as workflow_version, r.input as run_input,
       d.done_again, d.input_before
from piton.dead_letters d
join piton.runs r on r.id = d.run_id
join piton.workflows w on w.id = d.workflow_id
join piton.workflow_versions v on v.id = d.version_id
left join piton.workers k on k.id = d.worker_id;
comment on view piton.dead_letters_overview is 'Jobs that are not tried again by themselves, with names.';
comment on column piton.dead_letters_overview.id is 'For piton.retry_dead_letter and piton.dismiss_dead_letter.';
comment on column piton.dead_letters_overview.run is 'Id of its run.';
comment on column piton.dead_letters_overview.workflow is 'Name of the workflow.';
comment on column piton.dead_letters_overview.stage is 'Name of the stage.';
comment on column piton.dead_letters_overview.item is 'Item of a fanned-out stage; empty for a whole stage.';
comment on column piton.dead_letters_overview.class is 'Failure class of the last attempt.';
comment on column piton.dead_letters_overview.message is 'What went wrong in the last attempt.';
comment on column piton.dead_letters_overview.fingerprint is 'The same for failures of one cause.';
comment on column piton.dead_letters_overview.dead_at is 'When the job was given up.';
comment on column piton.dead_letters_overview.resolution is 'pending, retried or dismissed.';
comment on column piton.dead_letters_overview.resolved_at is 'When someone decided.';
comment on column piton.dead_letters_overview.resolved_by is 'Who decided.';
comment on column piton.dead_letters_overview.note is 'Why, in words.';
comment on column piton.dead_letters_overview.attempts is 'Number of the last attempt.';
comment on column piton.dead_letters_overview.worker is 'Name of the worker that ran the last attempt.';
comment on column piton.dead_letters_overview.run_started_at is 'When the run was started.';
comment on column piton.dead_letters_overview.run_state is 'State of the run.';
comment on column piton.dead_letters_overview.workflow_version is 'Digest of the version that the run follows.';
comment on column piton.dead_letters_overview.run_input is 'The run''s input.';
comment on column piton.dead_letters_overview.done_again is 'Its stage was done again from its start, by its retry or that of another dead letter.';
comment on column piton.dead_letters_overview.input_before is 'The run''s input until this dead letter was retried with a corrected one.';
-- What keeps a job of a stage from being claimed when it is ready: a pause, the limit of its stage, the lack of a worker, or of
-- a free slot. Looked for by stage and not by job, for there are few stages.
create or replace view piton.holds as
select s.version_id, s.stage, state.name as state, h.reason,
       case h.reason
           when 'paused' then p.what || ' is paused by ' || p.paused_by || ': "' || p.reason || '"'
           when 'no_worker' then 'no worker is alive'
           when 'no_handler' then 'no live worker has what it needs (a handler, a program or a variable)'
           when 'limit' then 'the limit of its stage is reached: ' || m.reached
           when 'suspect' then 'a process died under it, so it waits to run alone on ' || w.able
           else 'waits for a free slot of ' || w.able end as why,
       case h.reason
           when 'paused' then 'piton resume'
           when 'no_worker' then 'piton worker'
           when 'no_handler' then 'a worker that has it'
           when 'limit' then case when m.concurrency <= m.running then 'the end of one of them' else 'that time' end
           when 'suspect' then 'a slot for a process of its own'
           else 'a free slot: more workers, or more slots for each' end as moves
from piton.stage_names s
cross join (values ('ready'), ('suspect'), ('limited')) as state (name)
cross join lateral (
    select count(*) as alive,
           string_agg(l.name, ', ' order by l.name) filter (where s.workflow_id = any(l.serves) and not exists (
               select from unnest(l.lacks_versions, l.lacks_stages) as u (version_id, stage)
               where u.version_id = s.version_id and u.stage = s.stage)) as able
    from piton.workers l
    where l.stopped_at is null
) as w
left join lateral (
    select case when p.workflow_id = 0 then 'everything' when p.stage = '' then 'the workflow' else 'the stage' end as what,
           p.paused_by, p.reason
    from piton.pauses p
    where p.workflow_id in (s.workflow_id, 0) and p.stage in ('', s.name)
    order by p.workflow_id desc, p.stage desc
    limit 1
) as p on true
left join piton.limited_stages y on y.version_id = s.version_id and y.stage = s.stage
left join piton.limits_overview m on m.limit_id = y.limit_id
cross join lateral (
    select case when p.what is not null then 'paused'
                when w.alive = 0 then 'no_worker'
                when w.able is null then 'no_handler'
                when m.reached is not null and state.name <> 'ready' then 'limit'
                when state.name = 'suspect' then 'suspect'
                else 'slot' end as reason
) as h;
comment on view piton.holds is 'Why a job of a stage is not claimed though it is ready, waits for a limit, or waits to run alone, and what would move it.';
comment on column piton.holds.version_id is 'The workflow version.';
comment on column piton.holds.stage is 'Position of the stage in its definition.';
comment on column piton.holds.state is 'Of a job that is ready, limited, or a suspect.';
comment on column piton.holds.reason is 'In a word, as in piton.why_waiting.';
comment on column piton.holds.why is 'In words.';
comment on column piton.holds.moves is 'What would move it.';
-- One row for each thing that a run waits for, each for exactly one reason, in words. Asked for one run it costs what that run
-- has; the first rows of all come at once, for nothing is sorted.
create or replace view piton.why_waiting as
select r.uuid as run, w.name as workflow, s.name as stage, nullif(j.item, -1) as item, h.reason,
       'ready for ' || round(extract(epoch from now() - j.since)) || ' s, ' || h.why as why, h.moves, j.since, j.attempt
from piton.jobs j
join piton.runs r on r.id = j.run_id
join piton.workflows w on w.id = j.workflow_id
join piton.stage_names s on s.version_id = j.version_id and s.stage = j.stage
join piton.holds h on h.version_id = j.version_id and h.stage = j.stage and h.state = j.state
where j.state in ('ready', 'limited', 'suspect')
union all
select r.uuid, w.name, s.name, nullif(j.item, -1), case when k.stopped_at is null then 'running' else 'recovery' end,
       case when k.stopped_at is null
            then 'claimed by ' || coalesce(k.name, '?') || ', running for ' || round(extract(epoch from now() - j.since)) || ' s'
                 || coalesce(', ' || j.progress_done || ' of ' || j.progress_of, '') || coalesce(': ' || j.progress_note, '')
            else 'its worker ' || k.name || ' is gone' end,
       case when k.stopped_at is null then 'its end, or its time limit' else 'the next look of a worker, about a second' end,
       j.since, j.attempt
from piton.jobs j
join piton.runs r on r.id = j.run_id
join piton.workflows w on w.id = j.workflow_id
join piton.stage_names s on s.version_id = j.version_id and s.stage = j.stage
left join piton.workers k on k.id = j.worker_id
where j.state = 'running'
union all
select r.uuid, w.name, s.name, nullif(j.item, -1), case when j.due_at <= now() then 'due' when j.attempt = 0 then 'later' else 'retry' end,
       case when j.due_at <= now() then 'due since ' || to_char(j.due_at, 'HH24:MI:SS')
            when j.attempt = 0 then 'starts at ' || to_char(j.due_at, 'YYYY-MM-DD HH24:MI:SS')
            else 'due at ' || to_char(j.due_at, 'YYYY-MM-DD HH24:MI:SS') || ', attempt ' || j.attempt || ' failed'
                 || coalesce(': ' || a.class || ': ' || left(a.message, 200), '') end,
       case when j.due_at <= now() then 'the next look of a worker, about a second' else 'its due time' end, j.since, j.attempt
from piton.jobs j
join piton.runs r on r.id = j.run_id
join piton.workflows w on w.id = j.workflow_id
join piton.stage_names s on s.version_id = j.version_id and s.stage = j.stage
left join piton.attempts a on a.run_id = j.run_id and a.stage = j.stage and a.item = j.item and a.attempt = j.attempt
where j.state = 'scheduled'
union all
-- Stages that wait for others.
select r.uuid, w.name, s.name, null, 'stages', 'waits for ' || coalesce(undone.names, 'branches under way'), 'their ends', null, null
from piton.joins o
join piton.runs r on r.id = o.run_id
join piton.stage_names s on s.version_id = r.version_id and s.stage = o.stage
join piton.workflows w on w.id = s.workflow_id
left join lateral (
    select string_agg(n.name, ', ' order by n.stage) as names
    from piton.stages_of(r.version_id) n
    where n.stage = any((select t.needs from piton.stages_of(r.version_id) t where t.stage = o.stage)::int2[])
      and (not exists (select from piton.checkpoints k where k.run_id = o.run_id and k.stage = n.stage and k.item = -1)
           or exists (select from piton.jobs j where j.run_id = o.run_id and j.stage = n.stage)
           or exists (select from piton.dead_letters d
                      where d.run_id = o.run_id and d.stage = n.stage and d.resolution = 'pending'))
) as undone on true
union all
-- What somebody has to decide about.
select d.run, d.workflow, d.stage, d.item, 'decision', 'given up after ' || d.class || ': ' || left(d.message, 200),
       'piton dead-letter retry ' || d.id || ', or dismiss', d.dead_at, d.attempts
from piton.dead_letters_overview d
where d.resolution = 'pending';
comment on view piton.why_waiting is 'Why nothing moves, and what would move it: a row for every live job, for every stage that waits for others, and for every dead letter that waits for a decision.';
comment on column piton.why_waiting.run is 'Id of the run.';
comment on column piton.why_waiting.workflow is 'Name of the workflow.';
comment on column piton.why_waiting.stage is 'Name of the stage.';
comment on column piton.why_waiting.item is 'Item of a fanned-out stage; empty for a whole stage.';
comment on column piton.why_waiting.reason is 'In a word: running, recovery (its worker is gone), retry (a failed attempt waits for its due time), later (a start that was put off), due (this very second), paused, no_worker, no_handler, limit, suspect, slot; stages (others have to be done first); decision (a dead letter).';
comment on column piton.why_waiting.why is 'The reason in words.';
comment on column piton.why_waiting.moves is 'What would move it.';
comment on column piton.why_waiting.since is 'Since when; empty for stages that wait for others.';
comment on column piton.why_waiting.attempt is 'Attempts begun so far; empty for stages that wait for others.';
-- The same as why_waiting for all live jobs, counted: their reason depends on nothing else than what they are grouped by, so it
-- is looked for once for each group, however many jobs there are.
create or replace view piton.waiting_overview as
with live as materialized (
    select j.version_id, j.stage, j.state, j.attempt = 0 as is_new, j.due_at <= now() as is_due,
           k.stopped_at is not null as is_orphaned, count(*) as jobs, min(j.since) as since, min(j.due_at) as due_at
    from piton.jobs j
    left join piton.workers k on k.id = j.worker_id
    group by 1, 2, 3, 4, 5, 6
),
told as (
    select l.version_id, l.stage, l.jobs, l.since, h.reason, h.why, h.moves
    from live l
    join piton.holds h on h.version_id = l.version_id and h.stage = l.stage and h.state = l.state
    union all
    select l.version_id, l.stage, l.jobs, l.since, case when l.is_orphaned then 'recovery' else 'running' end,
           case when l.is_orphaned then 'their workers are gone' else 'running on workers' end,
           case when l.is_orphaned then 'the next look of a worker, about a second' else 'their ends, or their time limits' end
    from live l
    where l.state = 'running'
    union all
    select l.version_id, l.stage, l.jobs, l.since, case when l.is_due then 'due' when l.is_new then 'later' else 'retry' end,
           case when l.is_due then 'due'
                else case when l.is_new then 'started for later' else 'failed, and tried again' end
                     || ', the first at ' || to_char(l.due_at, 'YYYY-MM-DD HH24:MI:SS') end,
           case when l.is_due then 'the next look of a worker, about a second' else 'their due times' end
    from live l
    where l.state = 'scheduled'
)
select w.name as workflow, s.name as stage, t.reason, sum(t.jobs)::int8 as jobs, min(t.since) as oldest_since,
       max(t.why) as why, max(t.moves) as moves
from told t
join piton.stage_names s on s.version_id = t.version_id and s.stage = t.stage
join piton.workflows w on w.id = s.workflow_id
group by 1, 2, 3
union all
select d.workflow, d.stage, 'decision', count(*), min(d.dead_at), 'given up after ' || string_agg(distinct d.class, ', '),
       'piton dead-letter list'
from piton.dead_letters_overview d
where d.resolution = 'pending'
group by 1, 2;
comment on view piton.waiting_overview is 'What is stuck and why: live jobs and dead letters, by workflow, stage and reason. Behind it is a row of piton.why_waiting for each.';
comment on column piton.waiting_overview.workflow is 'Name of the workflow.';
comment on column piton.waiting_overview.stage is 'Name of the stage.';
comment on column piton.waiting_overview.reason is 'In a word, as in piton.why_waiting.';
comment on column piton.waiting_overview.jobs is 'How many jobs, or dead letters.';
comment on column piton.waiting_overview.oldest_since is 'Since when the first of them.';
comment on column piton.waiting_overview.why is 'The reason in words.';
comment on column piton.waiting_overview.moves is 'What would move them.';
-- No table of its own: what recovery did is in the attempts that it ended.
create or replace view piton.recoveries as
select a.ended_at as at, r.uuid as run, w.name as workflow, v.definition -> 'stages' -> a.stage::int4 ->> 'name' as stage,
       nullif(a.item, -1) as item, a.attempt,
       case when exists (select from piton.dead_letters d
                         where d.run_id = a.run_id and d.stage = a.stage and d.item = a.item and d.attempt = a.attempt)
            then 'dead_lettered'
            when exists (select from piton.checkpoints k where k.run_id = a.run_id and k.finished_at <= a.ended_at)
            then 'resumed'
            else 'restarted' end as action,
       a.message as cause, gone.name as worker, finder.name as recovered_by
from piton.attempts a
join piton.runs r on r.id = a.run_id
join piton.workflow_versions v on v.id = r.version_id
join piton.workflows w on w.id = v.workflow_id
left join piton.workers gone on gone.id = a.worker_id
-- One that drained ended itself; who freed what it left is not on record.
left join piton.workers finder on finder.id = gone.ended_by and finder.id <> gone.id
where a.outcome = 'lost';
comment on view piton.recoveries is 'What recovery did: a row for each job that it took from a worker that was gone.';
comment on column piton.recoveries.at is 'When it was taken.';
comment on column piton.recoveries.run is 'Id of its run.';
comment on column piton.recoveries.workflow is 'Name of the workflow.';
comment on column piton.recoveries.stage is 'Name of the stage.';
comment on column piton.recoveries.item is 'Item of a fanned-out stage; empty for a whole stage.';
comment on column piton.recoveries.attempt is 'Number of the attempt that was lost.';
comment on column piton.recoveries.action is 'resumed: its run goes on behind the checkpoints it had; restarted: it had none; dead_lettered: the job had killed too many processes.';
comment on column piton.recoveries.cause is 'Why the attempt counts as lost.';
comment on column piton.recoveries.worker is 'Name of the worker that was gone.';
comment on column piton.recoveries.recovered_by is 'Name of the worker that found it gone, or took its name; empty where recovery was asked for by hand.';
-- The part of promise 3 that can be asked from what is live: every job, join and pending dead letter fits its run.
-- One statement, one snapshot: every change of a run commits as a whole, so that nothing half done is ever seen.
create or replace view piton.unexplained_live as
select r.uuid as run, s.definition ->> 'name' as stage, nullif(d.item, -1) as item,
       coalesce('the run is ' || r.state, 'there is no such run') || ', and a dead letter is pending' as what
from piton.dead_letters d
left join piton.runs r on r.id = d.run_id
left join piton.workflow_versions v on v.id = d.version_id
cross join lateral (select v.definition -> 'stages' -> d.stage::int4 as definition) as s
where d.resolution = 'pending' and r.state is distinct from 'blocked'
union all
select r.uuid, s.definition ->> 'name', nullif(j.item, -1),
       case when r.id is null then 'the job belongs to no run'
            when r.state in ('done', 'failed', 'cancelled') then 'the run is ' || r.state || ', and has a job'
            when j.state = 'limited' then 'the job waits for a limit that is not there'
            when k.id is null then 'the job is running on a worker that is not there'
            else 'the job is running on a worker that has ended, and counts as cleared' end
from piton.jobs j
left join piton.runs r on r.id = j.run_id
left join piton.workers k on k.id = j.worker_id
left join piton.workflow_versions v on v.id = j.version_id
cross join lateral (select v.definition -> 'stages' -> j.stage::int4 as definition) as s
where r.id is null or r.state in ('done', 'failed', 'cancelled') or j.state = 'running' and (k.id is null or k.cleared)
   or j.state = 'limited' and not exists (select from piton.stage_limits l where l.id = j.limit_id)
union all
select r.uuid, v.definition -> 'stages' -> nullif(o.stage, -1)::int4 ->> 'name', null,
       'the run is ' || r.state || ', and ' || case o.stage when -1 then 'its end' else 'the stage' end
       || ' still waits for branches'
from piton.joins o
join piton.runs r on r.id = o.run_id
join piton.workflow_versions v on v.id = r.version_id
where r.state in ('done', 'failed', 'cancelled');
comment on view piton.unexplained_live is 'The part of piton.unexplained_jobs that begins at jobs, joins and dead letters, and costs no look at the runs that are finished.';
comment on column piton.unexplained_live.run is 'Id of the run; empty where there is none.';
comment on column piton.unexplained_live.stage is 'Name of the stage, where it is about one.';
comment on column piton.unexplained_live.item is 'Item of a fanned-out stage; empty for a whole stage.';
comment on column piton.unexplained_live.what is 'What does not fit.';
-- The part of promise 3 that has to be asked of the runs themselves: every one is finished, or has a job, or has a dead
-- letter that someone will decide about. No index leads to the runs that are not finished, for the end of a run must touch
-- none; so this looks at every run from the first number to the last.
create or replace function piton.unexplained_runs(first bigint default 0, last bigint default 9223372036854775807)
returns table (run uuid, what text)
language sql stable
as $$
    select r.uuid, case r.state when 'running' then 'the run is running, and has no job'
                        else 'the run is blocked, and no dead letter of it is pending' end
    from piton.runs r
    where r.id >= unexplained_runs.first and r.id <= unexplained_runs.last
      and (r.state = 'running' and not exists (select from piton.jobs j where j.run_id = r.id)
           or r.state = 'blocked'
              and not exists (select from piton.dead_letters d where d.run_id = r.id and d.resolution = 'pending'))
$$;
comment on function piton.unexplained_runs(bigint, bigint) is 'Runs that wait for nothing, among those with numbers (piton.runs.id) from the first to the last. Always empty.';
-- Promise 3, as a question: every run is finished, or has a job, or has a dead letter that someone will decide about.
-- One statement, one snapshot: every change of a run commits as a whole, so that nothing half done is ever seen.
create or replace view piton.unexplained_jobs as
select u.run, null::text as stage, null::int4 as item, u.what from piton.unexplained_runs() as u
union all
select run, stage, item, what from piton.unexplained_live;
comment on view piton.unexplained_jobs is 'Always empty. What is in it waits for nothing that is named, and would wait for ever: a row is a defect of Piton, or of what somebody changed by hand.';
comment on column piton.unexplained_jobs.run is 'Id of the run; empty where there is none.';
comment on column piton.unexplained_jobs.stage is 'Name of the stage, where it is about one.';
comment on column piton.unexplained_jobs.item is 'Item of a fanned-out stage; empty for a whole stage.';
comment on column piton.unexplained_jobs.what is 'What does not fit.';
-- Whoever ends an attempt says what its artifacts are, in the same statement. A row that was written beside that, by what
-- the attempt left running, was not seen there. One statement, one snapshot: a row that is pending while its attempt is over
-- will never be anything else. Walks what is pending, as many as live attempts have made.
create or replace function piton.settle_artifacts(at_most integer default 1000) returns bigint
language sql
as $$
    with forgotten as (
        select a.id
        from piton.artifacts a
        where a.type = 'pending'
          and not exists (
              select from piton.jobs j
              where j.run_id = a.run_id and j.id = a.job_id and j.state = 'running' and j.stage = a.stage
                and j.item = a.item and j.attempt = a.attempt and j.worker_id = a.worker_id)
        order by a.created_at
        limit at_most
        for no key update skip locked
    ),
    settled as (
        update piton.artifacts a set type = 'orphan' from forgotten f where a.id = f.id returning 1
    )
    select count(*) from settled
$$;
comment on function piton.settle_artifacts(integer) is 'For Piton itself: artifacts that are pending and whose attempt is over become orphans. Returns how many. May run at any time, also on several workers at once.';
-- Artifacts, with names. Asked for one run (where run = ...) it costs what that run has.
create or replace view piton.artifacts_overview as
select a.id as artifact, r.uuid as run, w.name as workflow, v.definition -> 'stages' -> a.stage::int4 ->> 'name' as stage,
       nullif(a.item, -1) as item, a.attempt, a.name, a.type,
       a.type not in ('pending', 'failed', 'orphan', 'dead_letter') as visible,
       a.bytes, encode(a.digest, 'hex') as digest, a.content_type, a.address, k.name as worker, a.created_at
from piton.artifacts a
join piton.runs r on r.id = a.run_id
join piton.workflow_versions v on v.id = r.version_id
join piton.workflows w on w.id = v.workflow_id
left join piton.workers k on k.id = a.worker_id;
comment on view piton.artifacts_overview is 'Files that stages made, with names. What a run has to show: where run = ... and visible.';
comment on column piton.artifacts_overview.artifact is 'Its id.';
comment on column piton.artifacts_overview.run is 'Id of its run.';
comment on column piton.artifacts_overview.workflow is 'Name of the workflow.';
comment on column piton.artifacts_overview.stage is 'Name of the stage.';
comment on column piton.artifacts_overview.item is 'Item of a fanned-out stage; empty for a whole stage.';
comment on column piton.artifacts_overview.attempt is 'The attempt that made it.';
comment on column piton.artifacts_overview.name is 'Name that the stage gave it.';
comment on column piton.artifacts_overview.type is 'output, preview, temp or a word of the stage''s own; pending while its attempt is under way; failed or orphan where that came to nothing.';
comment on column piton.artifacts_overview.visible is 'It belongs to a checkpoint that holds.';
comment on column piton.artifacts_overview.bytes is 'Its size; empty until it is whole.';
comment on column piton.artifacts_overview.digest is 'SHA-256 of its bytes; empty until it is whole.';
comment on column piton.artifacts_overview.content_type is 'Media type, where the stage gave one.';
comment on column piton.artifacts_overview.address is 'Where it is in the artifact store.';
comment on column piton.artifacts_overview.worker is 'Name of the worker that made it.';
comment on column piton.artifacts_overview.created_at is 'When it was announced, just before its first byte was written.';
-- Whoever holds an old snapshot keeps dead rows of the queue from being cleaned up, wherever it works in this database.
create or replace view piton.snapshot_holders as
select 'session' as holder, a.pid::text as name, a.usename::text as username, a.application_name as application,
       a.client_addr::text as client, a.state, a.xact_start as since,
       extract(epoch from now() - a.xact_start)::float8 as age_seconds,
       greatest(age(a.backend_xmin), age(a.backend_xid)) as transactions, left(a.query, 200) as query
from pg_stat_activity a
where a.datname = current_database() and a.pid <> pg_backend_pid() and a.xact_start is not null
  and (a.backend_xmin is not null or a.backend_xid is not null)
union all
select 'prepared', p.gid, p.owner::text, null, null, null, p.prepared,
       extract(epoch from now() - p.prepared)::float8, age(p.transaction), null
from pg_prepared_xacts p
where p.database = current_database()
union all
select 'slot', s.slot_name::text, null, s.plugin::text, null, case when s.active then 'active' else 'inactive' end, null,
       null, greatest(age(s.xmin), age(s.catalog_xmin)), null
from pg_replication_slots s
where s.xmin is not null or s.catalog_xmin is not null
union all
select 'standby', r.pid::text, r.usename::text, r.application_name, r.client_addr::text, r.state, null,
       null, age(r.backend_xmin), null
from pg_stat_replication r
where r.backend_xmin is not null;
comment on view piton.snapshot_holders is 'Who holds a snapshot right now, so that dead rows stay: claims go on, and tables grow. The role of the one who asks needs pg_monitor to see the sessions of other roles.';
comment on column piton.snapshot_holders.holder is 'session, prepared (a prepared transaction), slot (replication) or standby.';
comment on column piton.snapshot_holders.name is 'What to end it by: process id (pg_terminate_backend), name of the prepared transaction (rollback prepared), or name of the slot.';
comment on column piton.snapshot_holders.username is 'Its role.';
comment on column piton.snapshot_holders.application is 'Name of its application, or the plugin of the slot.';
comment on column piton.snapshot_holders.client is 'Address it is connected from.';
comment on column piton.snapshot_holders.state is 'What it does; "idle in transaction" waits for its client.';
comment on column piton.snapshot_holders.since is 'When its transaction began, where that is known.';
comment on column piton.snapshot_holders.age_seconds is 'Seconds since then.';
comment on column piton.snapshot_holders.transactions is 'Transactions that were begun since: what cannot be cleaned up.';
comment on column piton.snapshot_holders.query is 'The beginning of its last statement.';
-- What is said of a workflow counts more than what is said of every one, and that more than the default.
create or replace view piton.retention_rules as
with by_default (what, type, keep) as (
    values ('runs', 'done', interval '90 days'), ('runs', 'failed', '90 days'), ('runs', 'cancelled', '90 days'),
           ('artifacts', 'output', null), ('artifacts', 'preview', '24 hours'), ('artifacts', 'temp', '1 hour'),
           ('artifacts', 'failed', '7 days'), ('artifacts', 'dead_letter', '30 days'), ('artifacts', 'orphan', '1 hour'), ('batches', 'ended', '90 days')
),
known as (
    select what, type, keep from by_default
    union all
    select distinct r.what, r.type, null::interval from piton.retentions r
    where not exists (select from by_default d where d.what = r.what and d.type = r.type)
)
select w.id as workflow_id, w.name as workflow, k.what, k.type,
       case when own.what is not null then own.keep when every.what is not null then every.keep else k.keep end as keep
from piton.workflows w
cross join known k
left join piton.retentions own on own.workflow_id = w.id and own.what = k.what and own.type = k.type
left join piton.retentions every on every.workflow_id = 0 and every.what = k.what and every.type = k.type;
comment on view piton.retention_rules is 'For how long what is kept. Types of artifacts that no rule names are kept until one does.';
comment on column piton.retention_rules.workflow_id is 'The workflow.';
comment on column piton.retention_rules.workflow is 'Its name.';
comment on column piton.retention_rules.what is 'runs (counted from their end), artifacts (counted from their making), or batches (counted from their start, or from when they were cancelled).';
comment on column piton.retention_rules.type is 'State of a run that has ended, type of an artifact, or ended.';
comment on column piton.retention_rules.keep is 'For how long; empty for ever.';
-- The one rule of what is never deleted, for previews and for deletions.
create or replace function piton.protection(state text, held_by text) returns text
language sql immutable
as $$
    select case when state not in ('done', 'failed', 'cancelled') then 'its run is ' || state
                when held_by is not null then 'its run is held by ' || held_by end
$$;
comment on function piton.protection(text, text) is 'For Piton itself: why nothing of a run may be deleted; empty where it may.';
-- What has been kept for as long as it should be. Walks what is asked for: all of it, or one run.
create or replace view piton.cleanup_due as
select 'artifacts' as what, a.type, t.workflow, r.uuid as run, a.run_id, a.id as artifact, null::uuid as batch, a.address,
       coalesce(a.bytes, 0) as bytes, a.created_at as since, piton.protection(r.state, h.held_by) as refused
from piton.artifacts a
join piton.runs r on r.id = a.run_id
join piton.workflow_versions v on v.id = r.version_id
join piton.retention_rules t on t.workflow_id = v.workflow_id and t.what = 'artifacts' and t.type = a.type
left join piton.run_holds h on h.run_id = a.run_id
where a.created_at <= now() - t.keep
union all
select 'runs', r.state, t.workflow, r.uuid, r.id, null, null, null, 0, r.finished_at,
       coalesce(piton.protection(r.state, h.held_by),
                case when exists (select from piton.artifacts a where a.run_id = r.id) then 'its artifacts are kept' end)
from piton.runs r
join piton.workflow_versions v on v.id = r.version_id
join piton.retention_rules t on t.workflow_id = v.workflow_id and t.what = 'runs' and t.type = r.state
left join piton.run_holds h on h.run_id = r.id
where r.finished_at <= now() - t.keep
union all
select 'batches', 'ended', t.workflow, null, null, null, b.uuid, null, 0, coalesce(b.cancelled_at, b.sealed_at),
       case when exists (select from piton.batch_items i join piton.runs r on r.uuid = i.run where i.batch_id = b.id)
            then 'its runs are kept' end
from piton.batches b
join piton.retention_rules t on t.workflow_id = b.workflow_id and t.what = 'batches' and t.type = 'ended'
where b.state in ('started', 'cancelled') and coalesce(b.cancelled_at, b.sealed_at) <= now() - t.keep;
comment on view piton.cleanup_due is 'What cleanup would delete, and what it refuses to delete and why.';
comment on column piton.cleanup_due.what is 'runs, artifacts or batches.';
comment on column piton.cleanup_due.type is 'State of the run, or type of the artifact; ended for batches.';
comment on column piton.cleanup_due.workflow is 'Name of the workflow.';
comment on column piton.cleanup_due.run is 'Id of the run; empty for a batch.';
comment on column piton.cleanup_due.run_id is 'Number of the run; empty for a batch.';
comment on column piton.cleanup_due.artifact is 'Id of the artifact; empty for what is none.';
comment on column piton.cleanup_due.batch is 'Id of the batch; empty for what is none.';
comment on column piton.cleanup_due.address is 'Where it is in the artifact store; empty for what is no artifact.';
comment on column piton.cleanup_due.bytes is 'Size of the artifact; 0 for what is none.';
comment on column piton.cleanup_due.since is 'From when on it is counted: the end of a run, the making of an artifact, the start of a batch or when it was cancelled.';
comment on column piton.cleanup_due.refused is 'Why it stays; empty where it goes.';
create or replace function piton.keep(
    what text, type text, keep interval, workflow text default null, actor text default session_user
) returns void
language plpgsql
as $$
declare
    queue bigint := piton.queue_named(workflow, null);
begin
    if what is null or what not in ('runs', 'artifacts', 'batches') then
        raise exception 'a rule cannot be about "%"', what
            using errcode = 'invalid_parameter_value', hint = 'It is about runs, artifacts or batches.';
    end if;
    if type is null or type !~ '^[a-z][a-z0-9_]{0,62}$' then
        raise exception '"%" is no type of artifacts and no state of runs', left(type, 100)
            using errcode = 'invalid_parameter_value', hint = 'Such as output, preview or temp; done, failed or cancelled.';
    end if;
    if keep < interval '0' or keep > interval '36525 days' then
        raise exception 'nothing can be kept for %, but for up to 100 years or for ever', keep
            using errcode = 'invalid_parameter_value', hint = 'Null is for ever.';
    end if;
    if what = 'runs' and type not in ('done', 'failed', 'cancelled') then
        raise exception 'runs that are % are never deleted', type
            using errcode = 'invalid_parameter_value', hint = 'A rule is about runs that are done, failed or cancelled.';
    end if;
    if what = 'batches' and type <> 'ended' then
        raise exception 'batches that are % are never deleted', type
            using errcode = 'invalid_parameter_value', hint = 'The rule is about those that are ended.';
    end if;
    insert into piton.retentions (workflow_id, what, type, keep, set_by)
    values (queue, keep.what, keep.type, keep.keep, keep.actor)
    on conflict on constraint retentions_pkey do update
    set keep = excluded.keep, set_by = excluded.set_by, set_at = excluded.set_at;
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    values (keep.actor, 'keep', 'retention', keep.what || ' ' || keep.type,
            jsonb_strip_nulls(jsonb_build_object('workflow', keep.workflow, 'keep', keep.keep)));
end
$$;
comment on function piton.keep(text, text, interval, text, text) is 'Says for how long runs of a state, artifacts of a type, or batches that are ended, are kept: of one workflow, or of every one. Null is for ever.';
-- The run's row is locked: a cleanup that deletes it at this moment is waited for.
create or replace function piton.hold_run(run uuid, reason text, actor text default session_user) returns void
language plpgsql
as $$
declare
    key bigint;
begin
    perform piton.check_reason(reason, 'a run is held', 'piton.hold_run(run, ''why'')');
    select r.id into key from piton.runs r where r.uuid = hold_run.run for update;
    if not found then
        perform piton.refuse_run(run);
    end if;
    insert into piton.run_holds (run_id, reason, held_by) values (key, hold_run.reason, hold_run.actor)
    on conflict on constraint run_holds_pkey do update set reason = excluded.reason, held_by = excluded.held_by;
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    values (hold_run.actor, 'hold', 'run', hold_run.run, jsonb_build_object('reason', hold_run.reason));
end
$$;
comment on function piton.hold_run(uuid, text, text) is 'Has cleanup leave a run alone, with all that it made, for a reason.';
create or replace function piton.release_run(run uuid, actor text default session_user) returns void
language plpgsql
as $$
begin
    delete from piton.run_holds h using piton.runs r where r.id = h.run_id and r.uuid = release_run.run;
    if not found then
        raise exception 'run % is not held', run
            using errcode = 'object_not_in_prerequisite_state', hint = 'Those that are: select * from piton.run_holds.';
    end if;
    insert into piton.audit (actor, verb, subject_kind, subject)
    values (release_run.actor, 'release', 'run', release_run.run);
end
$$;
comment on function piton.release_run(uuid, text) is 'Ends the hold of a run.';
-- The items are on record before anything is deleted. Those of artifacts come first: a run goes when it has none any more.
create or replace function piton.plan_cleanup(most integer default 100000, actor text default session_user) returns uuid
language plpgsql
set enable_seqscan = on
set enable_hashjoin = on
set jit = off
as $$
declare
    plan uuid := piton.new_id();
begin
    perform piton.settle_artifacts(most);
    delete from piton.cleanups c where c.planned_at < now() - interval '90 days';
    insert into piton.cleanups (id, planned_by) values (plan, plan_cleanup.actor);
    insert into piton.cleanup_items (cleanup_id, number, what, type, workflow, run, run_id, artifact, batch, address, bytes)
    select plan, row_number() over (order by d.what, d.since), d.what, d.type, d.workflow, d.run, d.run_id, d.artifact, d.batch,
           d.address,
           case d.what when 'runs' then (select coalesce(sum(k.bytes), 0) from piton.checkpoints k where k.run_id = d.run_id)
                       else d.bytes end
    from (select * from piton.cleanup_due d where d.refused is null order by d.what, d.since limit most) as d;
    return plan;
end
$$;
comment on function piton.plan_cleanup(integer, text) is 'Writes down what is due to be deleted, no more than so many runs, artifacts and batches, and returns the plan. Deletes nothing: piton cleanup run --plan does.';
-- A plan that was shown deletes exactly what it shows, or nothing. One that nobody was shown deletes what of it is still due, as
-- one does that goes on.
create or replace function piton.begin_cleanup(
    plan uuid, actor text default session_user, shown boolean default true
) returns void
language plpgsql
set jit = off
as $$
declare
    found_state text;
    changed bigint;
begin
    select c.state into found_state from piton.cleanups c where c.id = begin_cleanup.plan for update;
    if not found then
        raise exception 'there is no cleanup %', plan
            using errcode = 'no_data_found', hint = 'Make a plan: select piton.plan_cleanup(), or "piton cleanup preview".';
    end if;
    if found_state = 'done' then
        raise exception 'cleanup % is done already', plan
            using errcode = 'object_not_in_prerequisite_state', hint = 'Make a new plan: "piton cleanup preview".';
    end if;
    if found_state = 'planned' then
        -- By look-ups, one for each item: it costs what the plan has, and not what there is.
        select count(*) - count(d.is_due) into changed
        from piton.cleanup_items i
        left join lateral (
            select true as is_due from piton.cleanup_due d
            where i.what = 'runs' and d.what = 'runs' and d.run_id = i.run_id and d.refused is null
            union all
            select true from piton.cleanup_due d
            where i.what = 'artifacts' and d.what = 'artifacts' and d.run_id = i.run_id and d.artifact = i.artifact
              and d.refused is null
            union all
            select true from piton.cleanup_due d
            where i.what = 'batches' and d.what = 'batches' and d.batch = i.batch and d.refused is null
        ) as d on true
        where shown and i.cleanup_id = begin_cleanup.plan;
        if changed > 0 then
            raise exception 'the world has changed since cleanup % was planned: % of its items are gone, held, or no longer due',
                plan, changed
                using errcode = 'object_not_in_prerequisite_state', hint = 'Make a new plan: "piton cleanup preview".';
        end if;
        update piton.cleanups c set state = 'running', began_at = now() where c.id = begin_cleanup.plan;
        insert into piton.audit (actor, verb, subject_kind, subject)
        select begin_cleanup.actor, 'clean_up', 'cleanup', begin_cleanup.plan where begin_cleanup.actor is not null;
    end if;
end
$$;
comment on function piton.begin_cleanup(uuid, text, boolean) is 'For Piton itself: lets a plan begin, or go on; raises where what somebody was shown is no longer what is due. Nobody decides about those that workers make by themselves: their actor is null.';
-- One batch. The runs are locked first, and looked at again then: one that is held now stays, and its item says why.
create or replace function piton.clean_runs(plan uuid, most integer) returns integer
language plpgsql
as $$
declare
    chosen bigint[];
    keys bigint[];
    due bigint[];
begin
    -- The commits of the engine do not wait for this one: what a crash takes back is still an item, and is deleted again.
    perform set_config('synchronous_commit', 'off', true);
    select array_agg(i.number), array_agg(i.run_id) into chosen, keys
    from (select number, run_id from piton.cleanup_items
          where cleanup_id = clean_runs.plan and what = 'runs' and deleted_at is null and error is null
          order by number limit most) as i;
    if keys is null then
        return 0;
    end if;
    perform from piton.runs r where r.id = any(keys) order by r.id for update;
    -- With the offset it is a look-up for each of them, whatever the planner believes of all that is due.
    select coalesce(array_agg(d.run_id), '{}') into due
    from unnest(keys) as k (run_id)
    cross join lateral (
        select d.run_id from piton.cleanup_due d where d.what = 'runs' and d.run_id = k.run_id and d.refused is null
        offset 0
    ) as d;
    update piton.cleanup_items i
    set deleted_at = case when i.run_id = any(due) then now() end,
        error = case when i.run_id <> all(due) then 'it is gone, held, or no longer due' end
    where i.cleanup_id = clean_runs.plan and i.number = any(chosen);
    delete from piton.run_keys k using piton.runs r where r.id = any(due) and k.run = r.uuid;
    delete from piton.checkpoints where run_id = any(due);
    delete from piton.attempts where run_id = any(due);
    delete from piton.past_checkpoints where run_id = any(due);
    delete from piton.past_attempts where run_id = any(due);
    delete from piton.steps where run_id = any(due);
    delete from piton.dead_letters where run_id = any(due);
    delete from piton.cancellations where run_id = any(due);
    delete from piton.deadlines where run_id = any(due);
    delete from piton.runs where id = any(due);
    return cardinality(chosen);
end
$$;
comment on function piton.clean_runs(uuid, integer) is 'For Piton itself: deletes the next runs of a cleanup, with all that is known of them, and tells how many items it was through with; 0 when none is left.';
-- One batch of them, as clean_runs.sql does: locked first, and looked at again then.
create or replace function piton.clean_batches(plan uuid, most integer) returns integer
language plpgsql
as $$
declare
    chosen bigint[];
    keys uuid[];
    due uuid[];
begin
    select array_agg(i.number), array_agg(i.batch) into chosen, keys
    from (select number, batch from piton.cleanup_items
          where cleanup_id = clean_batches.plan and what = 'batches' and deleted_at is null and error is null
          order by number limit most) as i;
    if keys is null then
        return 0;
    end if;
    perform from piton.batches b where b.uuid = any(keys) order by b.id for update;
    select coalesce(array_agg(d.batch), '{}') into due
    from unnest(keys) as k (batch)
    cross join lateral (
        select d.batch from piton.cleanup_due d where d.what = 'batches' and d.batch = k.batch and d.refused is null
        offset 0
    ) as d;
    update piton.cleanup_items i
    set deleted_at = case when i.batch = any(due) then now() end,
        error = case when i.batch <> all(due) then 'it is gone, or no longer due' end
    where i.cleanup_id = clean_batches.plan and i.number = any(chosen);
    delete from piton.batch_items i using piton.batches b where b.uuid = any(due) and i.batch_id = b.id;
    delete from piton.batches b where b.uuid = any(due);
    return cardinality(chosen);
end
$$;
comment on function piton.clean_batches(uuid, integer) is 'For Piton itself: deletes the next batches of a cleanup, with their items, and tells how many it was through with; 0 when none is left.';
-- From here on nobody sees them: their files are deleted next, and their rows when the files are gone. Whatever stops in
-- between leaves rows of orphans, which the next cleanup deletes again.
create or replace function piton.take_artifacts(plan uuid, most integer)
returns table (number bigint, address text)
language plpgsql
as $$
declare
    chosen bigint[];
    due uuid[];
begin
    select array_agg(i.number) into chosen
    from (select n.number from piton.cleanup_items n
          where n.cleanup_id = take_artifacts.plan and n.what = 'artifacts' and n.deleted_at is null and n.error is null
          order by n.number limit most) as i;
    perform from piton.runs r
    where r.id in (select i.run_id from piton.cleanup_items i
                   where i.cleanup_id = take_artifacts.plan and i.number = any(chosen))
    order by r.id
    for update;
    -- A look-up for each, as in clean_runs.sql.
    select coalesce(array_agg(d.artifact), '{}') into due
    from piton.cleanup_items i
    cross join lateral (
        select d.artifact from piton.cleanup_due d
        where d.what = 'artifacts' and d.run_id = i.run_id and d.artifact = i.artifact and d.refused is null
        offset 0
    ) as d
    where i.cleanup_id = take_artifacts.plan and i.number = any(chosen);
    update piton.cleanup_items i set error = 'it is gone, held, or no longer due'
    where i.cleanup_id = take_artifacts.plan and i.number = any(chosen) and i.artifact <> all(due);
    update piton.artifacts a set type = 'orphan' where a.id = any(due) and a.type <> 'orphan';
    return query
    select i.number, i.address from piton.cleanup_items i
    where i.cleanup_id = take_artifacts.plan and i.number = any(chosen) and i.artifact = any(due);
end
$$;
comment on function piton.take_artifacts(uuid, integer) is 'For Piton itself: takes the next artifacts of a cleanup out of sight, and tells where their files are.';
create or replace function piton.artifacts_deleted(plan uuid, numbers bigint[], errors text[]) returns void
language sql
as $$
    with ended as (
        update piton.cleanup_items i
        set deleted_at = case when e.error is null then now() end, error = e.error
        from unnest(artifacts_deleted.numbers, artifacts_deleted.errors) as e (number, error)
        where i.cleanup_id = artifacts_deleted.plan and i.number = any(array[e.number])
        returning i.artifact, e.error
    )
    delete from piton.artifacts a using ended e where a.id = any(array[e.artifact]) and e.error is null
$$;
comment on function piton.artifacts_deleted(uuid, bigint[], text[]) is 'For Piton itself: the files of these items are gone, and their rows go; but of those with an error.';
create or replace view piton.cleanups_overview as
select c.id as cleanup, c.state, c.planned_by, c.planned_at, c.began_at, c.ended_at, i.what, i.type, i.workflow,
       count(i.number) as items, coalesce(sum(i.bytes), 0)::int8 as bytes, count(i.deleted_at) as deleted,
       coalesce(sum(i.bytes) filter (where i.deleted_at is not null), 0)::int8 as deleted_bytes,
       count(i.error) as errors, min(i.error) as error
from piton.cleanups c
left join piton.cleanup_items i on i.cleanup_id = c.id
group by c.id, i.what, i.type, i.workflow;
comment on view piton.cleanups_overview is 'What cleanups were to delete and have deleted, by what it was.';
comment on column piton.cleanups_overview.cleanup is 'The plan.';
comment on column piton.cleanups_overview.state is 'planned, running or done.';
comment on column piton.cleanups_overview.planned_by is 'Who asked for it; piton for one that was due.';
comment on column piton.cleanups_overview.planned_at is 'When its items were chosen.';
comment on column piton.cleanups_overview.began_at is 'When it began to delete.';
comment on column piton.cleanups_overview.ended_at is 'When it was through.';
comment on column piton.cleanups_overview.what is 'runs, artifacts or batches; empty where there was nothing to do.';
comment on column piton.cleanups_overview.type is 'State of the runs, or type of the artifacts; ended for batches.';
comment on column piton.cleanups_overview.workflow is 'Name of the workflow.';
comment on column piton.cleanups_overview.items is 'How many.';
comment on column piton.cleanups_overview.bytes is 'Their size: of artifacts, or of the outputs of runs.';
comment on column piton.cleanups_overview.deleted is 'How many are deleted.';
comment on column piton.cleanups_overview.deleted_bytes is 'Their size.';
comment on column piton.cleanups_overview.errors is 'How many were not.';
comment on column piton.cleanups_overview.error is 'Why one of them was not.';
create or replace view piton.storage_stats as
select w.name as workflow, a.type, count(*) as artifacts, coalesce(sum(a.bytes), 0)::int8 as bytes,
       min(a.created_at) as oldest, max(a.created_at) as newest
from piton.artifacts a
join piton.runs r on r.id = a.run_id
join piton.workflow_versions v on v.id = r.version_id
join piton.workflows w on w.id = v.workflow_id
group by w.name, a.type;
comment on view piton.storage_stats is 'What is in the artifact store, by workflow and type. Walks all artifacts.';
comment on column piton.storage_stats.workflow is 'Name of the workflow.';
comment on column piton.storage_stats.type is 'Type of the artifacts.';
comment on column piton.storage_stats.artifacts is 'How many.';
comment on column piton.storage_stats.bytes is 'Their size.';
comment on column piton.storage_stats.oldest is 'When the first of them was made.';
comment on column piton.storage_stats.newest is 'When the last of them was made.';
-- The state in the database, as the metrics of the catalog: one row for each series, its labels in the order of the
-- catalog. Costs what is live, a look at a bounded number of runs, and the sizes of the tables; never the history.
--
-- Runs that wait for nothing (piton.unexplained_runs) are looked for among the newest and in a window that moves over all
-- of them from one call to the next: sweep_from is where it is. The rows sweep_next and sweep_found are for the caller.
create or replace function piton.state(sweep_from bigint)
returns table (metric text, label_1 text, label_2 text, label_3 text, value double precision)
language sql stable
-- What is live is walked, unlike in the engine's own plans; the runs behind it are looked up, for most are history.
set enable_seqscan = on
set enable_hashjoin = off
set enable_mergejoin = off
as $$
    with live as materialized (
        select j.workflow_id, j.version_id, j.stage, j.state, count(*) as jobs,
               count(*) filter (where soon.is_due and j.state = 'scheduled') as due_soon,
               count(*) filter (where j.state = 'scheduled' and j.attempt > 0) as retry_wait,
               min(j.since) filter (where j.state = 'ready') as ready_since,
               min(j.run_id) as oldest_run,
               -- A branch of a fan-out has the items up to `until` before it.
               sum(case when j.item >= 0 then greatest(j.until - j.item, 1) else 1 end)
                   filter (where soon.is_due or j.state <> 'scheduled') as attempts_left
        from piton.jobs j
        cross join lateral (select j.due_at < now() + interval '1 minute' as is_due) as soon
        group by j.workflow_id, j.version_id, j.stage, j.state
    ),
    stage as materialized (
        select w.id as workflow_id, w.name as workflow, v.id as version_id, (s.place - 1)::int2 as number,
               s.definition ->> 'name' as stage, v.id = max(v.id) over (partition by w.id) as is_latest
        from piton.workflows w
        join piton.workflow_versions v on v.workflow_id = w.id
        cross join lateral json_array_elements(v.definition -> 'stages') with ordinality as s (definition, place)
        where v.id = (select max(n.id) from piton.workflow_versions n where n.workflow_id = w.id)
           or v.id in (select version_id from live)
    ),
    live_run as (
        select j.workflow_id, j.run_id from piton.jobs j group by j.workflow_id, j.run_id
    ),
    letter as materialized (
        select d.workflow_id, d.run_id, d.class from piton.dead_letters d where d.resolution = 'pending'
    ),
    blocked as (
        select workflow_id, count(distinct run_id) as runs from letter group by workflow_id
    ),
    running as (
        select l.workflow_id, count(*) as runs from live_run l
        where l.run_id not in (select run_id from letter)
        group by l.workflow_id
    ),
    -- Stages that were never measured take as long as the others of their workflow, or a second.
    measured as (
        select t.workflow_id, t.stage, t.seconds / t.attempts as seconds from piton.stage_times t where t.attempts > 0
    ),
    mean as (
        select workflow_id, avg(seconds) as seconds from measured group by workflow_id
    ),
    slots as (
        select coalesce(avg(slots), 32) as each from piton.workers where stopped_at is null
    ),
    work as (
        select l.workflow_id,
               sum(least(l.attempts_left, limited.room) * greatest(coalesce(m.seconds, mean.seconds, 1), 0.001))
               / (select each from slots) as seconds
        from live l
        left join stage s on s.version_id = l.version_id and s.number = l.stage
        left join measured m on m.workflow_id = l.workflow_id and m.stage = s.stage
        left join mean on mean.workflow_id = l.workflow_id
        left join piton.limited_stages y on l.state = 'limited' and y.version_id = l.version_id and y.stage = l.stage
        left join lateral piton.limit_room(y.limit_id, now()) as limited on true
        -- More workers would help neither what is paused nor what has to wait for a limit.
        where l.state = 'running'
           or not exists (
               select from piton.pauses p where p.workflow_id in (l.workflow_id, 0) and p.stage in ('', s.stage))
        group by l.workflow_id
    ),
    class (name) as (
        values ('network_timeout'), ('rate_limited'), ('resource_unavailable'), ('out_of_memory'), ('unknown'),
               ('invalid_input'), ('auth_failure'), ('crashed'), ('corrupt_checkpoint')
    ),
    resolved as (
        select d.class, d.resolution, count(*) as letters from piton.dead_letters d
        where d.resolution <> 'pending' and d.resolved_at > now() - interval '24 hours'
        group by d.class, d.resolution
        union all
        select class, 'pending', count(*) from letter group by class
    ),
    newest as (
        select coalesce(max(id), 0) as run, coalesce(max(id), 0) - 10000 as from_run from piton.runs
    ),
    -- Jobs in every state, and joins, are looked at by their runs.
    unexplained as (
        select (select count(*) from piton.unexplained_live)
             + (select count(*) from newest n, piton.unexplained_runs(n.from_run + 1, n.run)) as now,
               (select count(*) from newest n,
                piton.unexplained_runs(state.sweep_from, least(state.sweep_from + 49999, n.from_run))) as found
    ),
    holder as (
        select h.holder, max(h.age_seconds) as seconds, max(h.transactions) as transactions
        from piton.snapshot_holders h group by h.holder
    ),
    relation as (
        select c.oid, c.relname::text as name, coalesce(s.n_dead_tup, 0) as dead
        from pg_class c
        left join pg_stat_user_tables s on s.relid = c.oid
        where c.relnamespace = 'piton'::regnamespace and c.relkind = 'r'
    )
    select 'piton_jobs', s.workflow, s.stage, state.name, sum(coalesce(l.jobs, 0))::float8
    from stage s
    cross join (values ('ready'), ('running'), ('scheduled'), ('suspect'), ('limited')) as state (name)
    left join live l on l.version_id = s.version_id and l.stage = s.number and l.state = state.name
    group by s.workflow, s.stage, state.name
    union all
    select series.metric, w.name, series.label, null, coalesce(series.value, 0)
    from piton.workflows w
    left join (
        select workflow_id, sum(due_soon) as due_soon, sum(retry_wait) as retry_wait, min(ready_since) as ready_since,
               min(oldest_run) as oldest_run
        from live group by workflow_id
    ) as l on l.workflow_id = w.id
    left join running on running.workflow_id = w.id
    left join blocked on blocked.workflow_id = w.id
    left join work on work.workflow_id = w.id
    left join piton.runs r on r.id = l.oldest_run
    cross join lateral (values
        ('piton_jobs_due_soon', null, l.due_soon::float8),
        ('piton_jobs_retry_wait', null, l.retry_wait::float8),
        ('piton_oldest_ready_age_seconds', null,
         case when not exists (select from piton.pauses p where p.workflow_id in (w.id, 0))
              then extract(epoch from now() - l.ready_since)::float8 end),
        ('piton_runs', 'running', running.runs::float8),
        ('piton_runs', 'blocked', blocked.runs::float8),
        ('piton_oldest_run_age_seconds', null, extract(epoch from now() - r.started_at)::float8),
        ('piton_work_left_seconds', null, work.seconds::float8)
    ) as series (metric, label, value)
    union all
    select 'piton_runs_past_deadline', null, null, null,
           ((select count(*) from piton.cancellations c
             where c.deadline is not null and c.cancelled_at > now() - interval '24 hours')
            + (select count(*) from piton.deadlines d where d.at < now()))::float8
    union all
    select 'piton_cleanup_age_seconds', null, null, null,
           extract(epoch from now() - coalesce(
               (select c.ended_at from piton.cleanups c where c.state = 'done' order by c.planned_at desc limit 1),
               (select min(m.installed_on) from piton.migrations m)))::float8
    union all
    select 'piton_artifact_bytes', type.name, null, null, coalesce(a.bytes, 0)::float8
    from (values ('output'), ('preview'), ('temp'), ('failed'), ('orphan'), ('dead_letter'), ('pending'), ('other')) as type (name)
    left join (
        select case when a.type in ('output', 'preview', 'temp', 'failed', 'orphan', 'dead_letter', 'pending') then a.type
                    else 'other' end as name, sum(a.bytes) as bytes
        from piton.artifacts a group by 1
    ) as a on a.name = type.name
    union all
    select 'piton_pauses', null, null, null, count(*)::float8 from piton.pauses
    union all
    select 'piton_dead_letters', class.name, resolution.name, null, coalesce(r.letters, 0)::float8
    from class
    cross join (values ('pending'), ('retried'), ('dismissed')) as resolution (name)
    left join resolved r on r.class = class.name and r.resolution = resolution.name
    union all
    select 'piton_workers', 'alive', null, null, count(*)::float8 from piton.workers where stopped_at is null
    union all
    select 'piton_workers', 'lost', null, null, count(*)::float8 from piton.workers
    where stop_reason = 'lost' and stopped_at > now() - interval '1 hour'
    union all
    select 'piton_unexplained_jobs', null, null, null, now::float8 from unexplained
    union all
    select 'sweep_found', null, null, null, found::float8 from unexplained
    union all
    select 'sweep_next', null, null, null,
           case when state.sweep_from + 50000 <= n.from_run then state.sweep_from + 50000 else 0 end::float8
    from newest n
    union all
    select 'piton_table_bytes', name, null, null, pg_table_size(oid)::float8 from relation
    union all
    select 'piton_index_bytes', name, null, null, pg_indexes_size(oid)::float8 from relation
    union all
    select 'piton_dead_rows', name, null, null, dead::float8 from relation
    union all
    select 'piton_database_bytes', null, null, null, pg_database_size(current_database())::float8
    union all
    select series.metric, kind.name, null, null, coalesce(series.value, 0)
    from (values ('session'), ('prepared'), ('slot'), ('standby')) as kind (name)
    left join holder h on h.holder = kind.name
    cross join lateral (values
        ('piton_oldest_snapshot_age_seconds', h.seconds),
        ('piton_oldest_snapshot_transactions', h.transactions::float8)
    ) as series (metric, value)
$$;
comment on function piton.state(bigint) is 'For Piton itself: what the metrics of the state show. piton.unexplained_runs is asked of the newest 10000 runs and of the 50000 from sweep_from on; the row sweep_next says where to go on.';
-- Two roles that others may be given: piton_reader sees everything and changes nothing, piton_operator may also decide. Who
-- migrates without the right to create roles does without them, or creates them before and migrates again. Roles belong to
-- the whole server: another database may create them at this moment.
do $$
declare
    role text;
begin
    foreach role in array array['piton_reader', 'piton_operator'] loop
        begin
            if not exists (select from pg_roles r where r.rolname = role) then
                execute format('create role %I nologin', role);
            end if;
        exception
            when insufficient_privilege or duplicate_object or unique_violation then null;
        end;
    end loop;
    if exists (select from pg_roles r where r.rolname = 'piton_reader') then
        grant usage on schema piton to piton_reader;
        grant select on all tables in schema piton to piton_reader;
        alter default privileges in schema piton grant select on tables to piton_reader;
    end if;
    if exists (select from pg_roles r where r.rolname = 'piton_operator') then
        grant usage on schema piton to piton_operator;
        grant select, insert, update, delete on all tables in schema piton to piton_operator;
        grant usage on all sequences in schema piton to piton_operator;
        alter default privileges in schema piton grant select, insert, update, delete on tables to piton_operator;
        alter default privileges in schema piton grant usage on sequences to piton_operator;
        -- What belongs to the schema itself is for those who migrate.
        revoke insert, update, delete on piton.migrations, piton.function_set from piton_operator;
    end if;
end
$$;
