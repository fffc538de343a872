-- Promise 3, as a question: every run is finished, or has a job, or has a dead letter that someone will decide about.
-- One statement, one snapshot: every change of a run commits as a whole, so that nothing half done is ever seen.
create or replace view piton.unexplained_jobs as
select u.run, null::text as stage, null::int4 as item, u.what from piton.unexplained_runs() as u
union all
select run, stage, item, what from piton.unexplained_live;
comment on view piton.unexplained_jobs is 'Always empty. A row is something that would wait for ever: a defect in Piton, or the result of a change by hand.';
comment on column piton.unexplained_jobs.run is 'Id of the run; empty where there is none.';
comment on column piton.unexplained_jobs.stage is 'Name of the stage, where it is about one.';
comment on column piton.unexplained_jobs.item is 'Item of a fanned-out stage; empty for a whole stage.';
comment on column piton.unexplained_jobs.what is 'What does not fit.';
