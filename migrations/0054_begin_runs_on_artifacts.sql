-- Runs may begin on files that other runs have kept: cleanup leaves them alone for as long.

create table piton.run_files (
    run_id bigint not null,
    artifact uuid not null,
    primary key (run_id, artifact)
);
create index run_files_of_an_artifact on piton.run_files (artifact);
comment on table piton.run_files is 'Artifacts of other runs that runs were started on: they stay for as long as such a run may need them.';
comment on column piton.run_files.run_id is 'The run that was started on it.';
comment on column piton.run_files.artifact is 'The artifact.';

-- functions: 5e12b142d1b2e15e00df704b49a35e2250fb83b9d583e2640a5f8ae5fff002da
