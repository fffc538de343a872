-- The runs' rows first, in order: whoever decides about a run does it alone.
create or replace function piton.retry_dead_letters(dead_letters uuid[], actor text default session_user, note text default null)
returns bigint
language plpgsql
as $$
declare
    runs bigint[];
    retried bigint;
begin
    select array_agg(locked.id) into runs
    from (
        select r.id from piton.runs r
        where r.state = 'blocked'
          and r.id in (select d.run_id from piton.dead_letters d where d.id = any(dead_letters) and d.resolution = 'pending')
        order by r.id
        for update
    ) as locked;
    with chosen as (
        update piton.dead_letters d
        set resolution = 'retried', resolved_at = now(), resolved_by = retry_dead_letters.actor,
            note = retry_dead_letters.note
        where d.id = any(dead_letters) and d.resolution = 'pending' and d.run_id = any(runs)
        returning d.run_id, d.workflow_id, d.version_id, d.stage, d.item, d.attempt, d.rank, d.class
    ),
    born as (
        -- One that killed processes goes on alone.
        insert into piton.jobs (run_id, workflow_id, version_id, stage, item, until, state, deaths, attempt, rank)
        select run_id, workflow_id, version_id, stage, item, case when item >= 0 then item + 1 else 0 end,
               case class when 'crashed' then 'suspect' else 'ready' end, (class = 'crashed')::int4, attempt, rank
        from chosen
    )
    select count(*) into retried from chosen;
    update piton.runs r set state = 'running'
    where r.id = any(runs)
      and not exists (select from piton.dead_letters d where d.run_id = r.id and d.resolution = 'pending');
    if retried > 0 then
        perform pg_notify('piton_jobs', '');
    end if;
    return retried;
end
$$;
comment on function piton.retry_dead_letters(uuid[], text, text) is 'Lets the jobs of those dead letters that are pending go on from the last checkpoint, each with a new budget of retries. Returns how many there were; their attempts stay on record.';
