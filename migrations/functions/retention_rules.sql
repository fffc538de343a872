-- What is said of a workflow counts more than what is said of every one, and that more than the default.
create or replace view piton.retention_rules as
with by_default (what, type, keep) as (
    values ('runs', 'done', interval '90 days'), ('runs', 'failed', '90 days'), ('runs', 'cancelled', '90 days'),
           ('artifacts', 'output', null), ('artifacts', 'preview', '24 hours'), ('artifacts', 'temp', '1 hour'),
           ('artifacts', 'failed', '7 days'), ('artifacts', 'dead_letter', '30 days'), ('artifacts', 'orphan', '1 hour'), ('batches', 'ended', '90 days'),
           ('versions', 'unused', '90 days')
),
known as (
    select what, type, keep from by_default
    union all
    select distinct r.what, r.type, null::interval from piton.retentions r
    where r.what <> 'workers' and not exists (select from by_default d where d.what = r.what and d.type = r.type)
)
select w.id as workflow_id, w.name as workflow, k.what, k.type,
       case when own.what is not null then own.keep when every.what is not null then every.keep else k.keep end as keep
from piton.workflows w
cross join known k
left join piton.retentions own on own.workflow_id = w.id and own.what = k.what and own.type = k.type
left join piton.retentions every on every.workflow_id = 0 and every.what = k.what and every.type = k.type
union all
-- Workers are of no workflow.
select 0, '', 'workers', 'ended', case when own.what is not null then own.keep else interval '90 days' end
from (values (0)) as one (row)
left join piton.retentions own on own.workflow_id = 0 and own.what = 'workers' and own.type = 'ended';
comment on view piton.retention_rules is 'How long things are kept. Types of artifacts that no rule names are kept until a rule names them.';
comment on column piton.retention_rules.workflow_id is 'The workflow; 0 for workers.';
comment on column piton.retention_rules.workflow is 'Its name; empty for workers.';
comment on column piton.retention_rules.what is 'runs (counted from their end), artifacts (counted from their making), or batches (counted from their start, or from when they were cancelled), workers (counted from their end), or versions (counted from when they were registered).';
comment on column piton.retention_rules.type is 'State of a run that has ended, type of an artifact, ended or unused.';
comment on column piton.retention_rules.keep is 'For how long; empty for ever.';
