-- A name that is open already is gone on with: whoever crashed while items came in asks again. Nothing of it has begun, so
-- that all but its items may be another one now.
create or replace function piton.open_batch(
    name text, workflow text, cap integer default null, priority integer default 0, actor text default session_user
) returns bigint
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    queue bigint;
    version bigint;
    key bigint;
begin
    perform piton.check_said(actor, null);
    if name is null or workflow is null or priority is null then
        raise exception 'the name of a batch, its workflow and its priority must not be null'
            using errcode = 'null_value_not_allowed', hint = 'Leave the priority out for 0.';
    end if;
    if name !~ '^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,99}$' or name ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
        raise exception 'a batch cannot be named "%": a name has up to 100 letters, digits and . _ : @ + -, begins with a letter or digit, and is no id', piton.quoted(name)
            using errcode = 'invalid_parameter_value', hint = 'Name it such as nightly-2026-11-27.';
    end if;
    if priority not between -1000 and 1000 then
        raise exception 'the runs'' priority is %, and must be between -1000 and 1000', priority
            using errcode = 'numeric_value_out_of_range', hint = 'Higher is claimed first; 0 is the default.';
    end if;
    if cap < 1 then
        raise exception 'the cap is %, and must be at least 1', cap
            using errcode = 'numeric_value_out_of_range', hint = 'Leave it out to start all runs at once.';
    end if;
    select w.id, w.current_version_id into queue, version from piton.workflows w where w.name = open_batch.workflow;
    if version is null then
        perform piton.refuse_workflow(workflow);
    end if;
    insert into piton.batches as b (id, uuid, name, workflow_id, version_id, cap, priority, created_by)
    overriding system value
    values (piton.new_key(), piton.new_id(), open_batch.name, queue, version, open_batch.cap, open_batch.priority, open_batch.actor)
    on conflict on constraint batches_name_key do update
    set workflow_id = excluded.workflow_id, version_id = excluded.version_id, cap = excluded.cap, priority = excluded.priority
    where b.state = 'open'
    returning b.id into key;
    if key is null then
        perform piton.refuse_batch(piton.batch_named(name));
    end if;
    perform piton.refit_batch(key);
    return key;
end
$$;
comment on function piton.open_batch(text, text, integer, integer, text) is 'Opens a batch for items, or goes on with one of that name that is still open, and returns its key for piton.add_to_batch and piton.seal_batch. Nothing of it begins before it is sealed.';
