create or replace function piton.forget_stages(run bigint, undone smallint[], one_stage smallint, one_item integer) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    -- They show what was there before, and are no output of the run any more.
    update piton.artifacts a set type = 'failed'
    where a.run_id = run and a.type not in ('pending', 'failed', 'orphan', 'dead_letter')
      and (a.stage = any(undone) or a.stage = one_stage and a.item = one_item);
    -- Done again means done again: also what a handler had remembered, what a program had finished with, and what was waited for.
    -- A signal that came before anybody waited for it is still to be used; a service is asked anew, and its old token opens nothing.
    delete from piton.steps s
    where s.run_id = run and (s.stage = any(undone) or s.stage = one_stage and s.item = one_item);
    delete from piton.finishes f
    where f.run_id = run and (f.stage = any(undone) or f.stage = one_stage and f.item = one_item);
    delete from piton.callbacks c
    where c.run_id = run and (c.stage = any(undone) or c.stage = one_stage and c.item = one_item);
    delete from piton.waits w
    where w.run_id = run and (w.since is not null or w.kind <> 'signal') and (w.stage = any(undone) or w.stage = one_stage and w.item = one_item);
end
$$;
comment on function piton.forget_stages(bigint, smallint[], smallint, integer) is 'For Piton itself: takes away what those stages of a run, and that item, have beside checkpoints and attempts, since they are done again: steps, ends of programs and waits. Artifacts are failed from then on.';
