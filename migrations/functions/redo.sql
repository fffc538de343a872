-- Called with the run's row locked, so that nothing is born and nothing arrives. The order matters: what is live goes
-- first, for a commit that is under way may still leave a checkpoint or a dead letter; what it left is seen after that.
create or replace function piton.redo(
    dead_letter uuid, from_stage smallint, from_item integer, actor text, note text, new_keys boolean
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    letter piton.dead_letters;
    starts smallint[] := array[from_stage];
    undone smallint[];
    others uuid[];
    damaged boolean;
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
    -- What is wrong is a round that is over, which nothing makes anew.
    damaged := letter.class = 'corrupt_checkpoint' and exists (
        select from piton.attempts a
        where a.run_id = letter.run_id and a.stage = letter.stage and a.item = letter.item and a.attempt = letter.attempt
          and a.detail ->> 'round' is not null);
    perform piton.cancel_jobs(letter.run_id, undone);
    perform piton.move_to_the_past(letter.run_id, letter.id, undone, from_stage, from_item);
    -- Rounds that begin anew begin with the first one; those that are begun anew from within go on with the round they are in.
    update piton.rounds o set dead_letter = letter.id
    where o.run_id = letter.run_id and o.dead_letter is null
      and (select s.begins from piton.round_stages(letter.version_id, o.stage) s) = any(undone)
      and (damaged or (select s.begins from piton.round_stages(letter.version_id, o.stage) s) is distinct from redo.from_stage);
    with again as (
        update piton.dead_letters d
        set done_again = true,
            resolution = case when d.resolution in ('pending', 'tolerated') then 'retried' else d.resolution end,
            resolved_at = case when d.resolution = 'tolerated' then now() else coalesce(d.resolved_at, now()) end,
            resolved_by = case when d.resolution = 'tolerated' then redo.actor else coalesce(d.resolved_by, redo.actor) end,
            note = case when d.resolution not in ('pending', 'tolerated') then d.note
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
    perform piton.wake_workers();
end
$$;
comment on function piton.redo(uuid, smallint, integer, text, text, boolean) is 'For Piton itself: does a stage of a dead letter''s run again, or one item of it, or everything (stage null), and whatever needs it. What they did before is kept under the dead letter.';
