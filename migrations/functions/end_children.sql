-- Called with the parent's row locked, after its waits have ended: nothing waits for these runs any more. Those that a stage has let go are left.
create or replace function piton.end_children(parent bigint, stages smallint[] default null, item integer default null) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    child uuid;
    above uuid := (select r.uuid from piton.runs r where r.id = end_children.parent);
begin
    for child in
        select r.uuid from piton.runs r
        where r.parent_id = end_children.parent and not r.detached and r.state in ('running', 'blocked')
          and (end_children.stages is null or r.parent_stage = any(end_children.stages))
          and (end_children.item is null or r.parent_item = end_children.item)
        order by r.id
    loop
        begin
            perform piton.end_run(child, 'run ' || above || ', which started it, does not wait for it any more', 'piton', null);
        exception when object_not_in_prerequisite_state then
            -- It has ended at this very moment.
            null;
        end;
    end loop;
end
$$;
comment on function piton.end_children(bigint, smallint[], integer) is 'For Piton itself: cancels the runs that a run has started and does not wait for any more: those of some stages, of an item, or all.';
