create or replace view piton.stage_names as
select v.id as version_id, v.workflow_id, (s.place - 1)::int2 as stage, s.name
from piton.workflow_versions v
cross join lateral unnest(v.stage_names) with ordinality as s (name, place);
comment on view piton.stage_names is 'The stages of every version by name.';
comment on column piton.stage_names.version_id is 'The version.';
comment on column piton.stage_names.workflow_id is 'The workflow that it is a version of.';
comment on column piton.stage_names.stage is 'Position of the stage in the definition.';
comment on column piton.stage_names.name is 'Its name.';
