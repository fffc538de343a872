-- Where commits are lost (a failover to a standby that lagged, a restored backup), sequences go back, and a run that is started
-- afterwards gets the numbers of one that was lost, while a worker still runs the lost one's job. So what a worker holds is
-- known by something that never comes twice: a claim by its token, and workflows, versions and batches by keys of their own
-- making instead of numbers of a sequence (a workflow by its name, a version by its digest, a batch by chance).
alter table piton.jobs add column token bigint;
comment on column piton.jobs.token is 'Drawn at random by its last claim; while it runs, a part of the fence. Empty where the previous release claimed it.';

alter table piton.artifacts add column token bigint;
comment on column piton.artifacts.token is 'Token of the claim that it was made under. Empty where the previous release made it.';

comment on column piton.workflows.id is 'The queue that jobs of every version of this workflow stand in. Made from the name, so that a registration that was lost gets it again; of earlier releases, a number of a sequence.';
comment on column piton.workflow_versions.id is 'What runs and jobs refer to. Made from the digest, so that no other definition ever gets it; of earlier releases, a number of a sequence.';
comment on column piton.batches.id is 'What its items refer to. Drawn at random; of earlier releases, a number of a sequence.';

-- The token is a parameter of it now; workers of the previous release give none.
drop function if exists piton.claim_limited(bigint, bigint[], integer, bigint[], smallint[], text);

-- functions: d64f93921d5dad09cf0afc1b263bead6543fe54b734ff30889db00f398705843
