-- Jobs of a stage that a worker lacks something for are set aside where they stand in its way: under the row of their stage, as
-- if it had a limit. Others claim them from there.
create or replace function piton.leave_stages(versions bigint[], stages smallint[]) returns void
language sql
security definer set search_path = pg_catalog, pg_temp
as $$
    insert into piton.stage_limits (workflow_id, stage)
    select distinct s.workflow_id, s.name
    from unnest(versions, stages) as u (version_id, stage)
    join piton.stage_names s on s.version_id = u.version_id and s.stage = u.stage
    order by 1, 2
    on conflict (workflow_id, stage) do nothing
$$;
comment on function piton.leave_stages(bigint[], smallint[]) is 'For Piton itself: a worker leaves these stages to others, so that their jobs may be set aside.';
