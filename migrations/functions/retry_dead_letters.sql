-- The runs' rows first, in order: whoever decides about a run does it alone. Lists are joined, one look-up for each, or
-- hashed ("is true" keeps it so): behind "= any" a long one is walked once for every row.
create or replace function piton.retry_dead_letters(
    dead_letters uuid[], actor text default session_user, note text default null, from_stage text default null,
    from_beginning boolean default false
) returns bigint
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    runs bigint[];
    chosen uuid[];
begin
    perform piton.check_said(actor, note);
    from_beginning := coalesce(from_beginning, false);
    if from_stage is not null and from_beginning then
        raise exception 'a dead letter is retried from a stage or from the beginning, not from both'
            using errcode = 'invalid_parameter_value', hint = 'Leave from_stage or from_beginning out.';
    end if;
    select array_agg(locked.id) into runs
    from (
        select r.id from piton.runs r
        -- One that is tolerated is retried also where its run has come to its end without it.
        where r.state in ('running', 'blocked', 'done')
          and r.id in (select d.run_id from unnest(dead_letters) as asked (id) join piton.dead_letters d on d.id = asked.id
                       where d.resolution in ('pending', 'tolerated'))
        order by r.id
        for update
    ) as locked;
    select array_agg(d.id) into chosen
    from unnest(runs) as locked (id)
    join piton.dead_letters d on d.run_id = locked.id
    where d.resolution in ('pending', 'tolerated') and (d.id in (select unnest(dead_letters))) is true;
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
    update piton.runs r set state = 'running', finished_at = null
    from unnest(runs) as locked (id)
    where r.id = locked.id
      and not exists (select from piton.dead_letters d where d.run_id = r.id and d.resolution = 'pending');
    if cardinality(chosen) > 0 then
        perform piton.wake_workers();
    end if;
    return coalesce(cardinality(chosen), 0);
end
$$;
comment on function piton.retry_dead_letters(uuid[], text, text, text, boolean) is 'Lets the jobs of those dead letters that are pending or tolerated go on, each with a new budget of retries: from the last checkpoint, from a stage that is named, or from the beginning of their runs; where a checkpoint was corrupt, from the stage that made it. Returns how many there were.';
