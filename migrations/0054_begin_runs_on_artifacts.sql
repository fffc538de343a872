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

-- functions: d407455ff07158f9fc7330fd952579757b8677a6e55fa353dbbc32bc78062d91
