-- Places first, all of them: a redo takes the evidence of the others in its run out of the way. Where a stage is named,
-- one redo in a run is enough for all that come after it. Bad checkpoints may be several, so that each is made anew, under
-- the old idempotency keys: the work is the same.
create or replace function piton.redo_dead_letters(
    dead_letters uuid[], actor text, note text, from_stage text, from_beginning boolean
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    named boolean := from_stage is not null or from_beginning;
    begun record;
begin
    perform piton.check_said(actor, note);
    for begun in
        select d.id, p.stage, p.item, not named and d.class = 'not_good_enough' as is_round
        from unnest(dead_letters) as asked (id)
        join piton.dead_letters d on d.id = asked.id
        cross join lateral (
            select q.stage, q.item from piton.redo_place(d.id, from_stage) q where not from_beginning
            union all
            select null, null where from_beginning
            union all
            -- Its run went on behind it.
            select d.stage, nullif(d.item, -1)
            where not named and d.resolution = 'tolerated' and d.class <> 'not_good_enough'
        ) as p
        where named or d.class in ('corrupt_checkpoint', 'not_good_enough') or d.resolution = 'tolerated'
        order by d.run_id, d.stage, d.item
    loop
        if not named or exists (select from piton.dead_letters d
                                where d.id = begun.id and d.resolution in ('pending', 'tolerated')) then
            if begun.is_round then
                perform piton.another_round(begun.id, actor, note);
            else
                perform piton.redo(begun.id, begun.stage, begun.item, actor, note, named);
            end if;
        end if;
    end loop;
end
$$;
comment on function piton.redo_dead_letters(uuid[], text, text, text, boolean) is 'For Piton itself: does again what those dead letters begin again from, if they do not go on from their last checkpoints.';
