-- Claims look stages up by version and position, and never read a definition. Several processes may register versions of one
-- workflow at once.
create or replace function piton.renew_paused_stages(workflow bigint) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
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
    insert into piton.stage_limits (workflow_id, stage)
    select p.workflow_id, p.stage from piton.pauses p
    where p.workflow_id = renew_paused_stages.workflow and p.workflow_id <> 0 and p.stage <> ''
    on conflict (workflow_id, stage) do nothing;
    perform piton.renew_limited_stages(renew_paused_stages.workflow);
end
$$;
comment on function piton.renew_paused_stages(bigint) is 'For Piton itself: brings piton.paused_stages and piton.limited_stages up to date with piton.pauses, for one workflow.';
-- Claims went by piton.paused_stages before they went by piton.limited_stages.
select piton.renew_paused_stages(p.workflow_id) from (select distinct workflow_id from piton.pauses where stage <> '') as p;
