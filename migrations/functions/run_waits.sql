-- What one run waits for, counted by stage and reason: live jobs, stages that wait for others, and dead letters. What stands alone is
-- told as in why_waiting.
create or replace function piton.run_waits(run uuid)
returns table (stage text, reason text, jobs bigint, item integer, oldest_since timestamptz, why text, moves text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- To compile so large a statement takes longer than to answer it.
set jit = off
as $$
#variable_conflict use_column
begin
    -- In this language its plan is kept.
    return query
    select s.name, t.reason, t.jobs, t.item, t.since,
           coalesce(alone.why, t.why), coalesce(alone.moves, t.moves)
    from piton.live_waits(run_waits.run) t
    join piton.stage_names s on s.version_id = t.version_id and s.stage = t.stage
    left join lateral (
        select y.why, y.moves from piton.why_waiting y
        where t.jobs = 1 and y.run = run_waits.run and y.stage = s.name and y.reason = t.reason limit 1
    ) as alone on true
    union all
    select o.stage, 'stages', 1::int8, null::int4, null::timestamptz, o.why, 'their ends'
    from piton.stages_waiting o where o.run = run_waits.run
    union all
    select d.stage, 'decision', count(*), min(d.item), min(d.dead_at),
           'given up: ' || string_agg(distinct d.class, ', ')
               || case when count(*) = 1 then ': ' || left(min(d.message), 200) else '' end,
           case when count(*) = 1 then 'piton dead-letter retry ' || min(d.id::text) || ', or piton dead-letter dismiss ' || min(d.id::text) || ' --reason "…"'
                else 'piton dead-letter retry --run ' || run_waits.run end
    from piton.dead_letters_overview d
    where d.run = run_waits.run and d.resolution = 'pending'
    group by d.stage;
end
$$;
comment on function piton.run_waits(uuid) is 'What one run waits for, counted by stage and reason.';
