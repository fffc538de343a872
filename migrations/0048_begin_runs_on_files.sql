-- Runs may begin on files: artifacts of the run, from before its first stage.
alter table piton.artifacts
    drop constraint artifacts_stage_check,
    add constraint artifacts_stage_check check (stage >= -1) not valid;
comment on column piton.artifacts.stage is 'Position of the stage in the definition; -1 for a file that the run was started on.';
