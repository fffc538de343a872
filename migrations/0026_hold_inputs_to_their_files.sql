-- A workflow may declare the input of its runs: whoever starts one is held to it.

alter table piton.workflow_versions add column input_keys json;
comment on column piton.workflow_versions.input_keys is 'Keys of the input of its runs, as its file declares them: name, type, default, whether it may be left out. Empty where any input will do.';

-- functions: 1a8ac000fdec47be13aaf105328a3167437c75d8fbd046aca56b3c248b98a13a
