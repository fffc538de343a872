-- A workflow may declare the input of its runs: whoever starts one is held to it.

alter table piton.workflow_versions add column input_keys json;
comment on column piton.workflow_versions.input_keys is 'Keys of the input of its runs, as its file declares them: name, type, default, whether it may be left out. Empty where any input will do.';

-- functions: 6da6a9c4c55a606cfd47c5f495c80060d873ee76a2e3602bbbbb0e55dcfd20e6
