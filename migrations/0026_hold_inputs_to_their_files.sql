-- A workflow may declare the input of its runs: whoever starts one is held to it.

alter table piton.workflow_versions add column input_keys json;
comment on column piton.workflow_versions.input_keys is 'Keys of the input of its runs, as its file declares them: name, type, default, whether it may be left out. Empty where any input will do.';

-- functions: b89e12e216d6dbf8c1dd3d0c6b953358dd98590a8ea7c2830f42a8ee198a7852
