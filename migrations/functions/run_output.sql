-- What the library and `piton run` call the output of a run (src/view/report.rs): that of the one stage which no other needs, or an object
-- of several by name. A fanned-out stage that nothing needs has none. Texts are put together, so that every digit stays as it was written.
create or replace function piton.run_output(run bigint, out output json, out corrupt text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with stage as materialized (
        select s.stage, s.name, s.needs, s.fans_out
        from piton.runs r cross join lateral piton.stages_of(r.version_id) as s
        where r.id = run_output.run
    ),
    made as (
        select s.stage, s.name, k.output::text as output,
               k.skipped is null and k.digest <> sha256(convert_to(k.output::text, 'UTF8')) as is_corrupt
        from stage s
        join piton.checkpoints k on k.run_id = run_output.run and k.stage = s.stage and k.item = -1
        where not s.fans_out and not exists (select from stage o where s.stage = any(o.needs))
    )
    select case count(*) when 0 then 'null' when 1 then min(m.output)
                         else '{' || string_agg(to_json(m.name)::text || ':' || m.output, ',' order by m.stage) || '}' end::json,
           min(m.name) filter (where m.is_corrupt)
    from made m
$$;
comment on function piton.run_output(bigint) is 'For Piton itself: the output of a run that is done, and the name of a stage whose recorded output was changed.';
