-- Nothing that somebody put into another schema is ever taken for what Piton means.
--
-- Checks are run by whoever writes a row, with that session's search_path, and so often that to pin it would be felt: every
-- name in them says its schema instead.

create or replace function piton.is_sound_run(
    state text, priority smallint, finished_at timestamptz, failed_stage smallint, failure_class text, failure_message text
) returns boolean
language plpgsql immutable parallel safe
as $$
begin
    return state operator(pg_catalog.=) any ('{running,blocked,done,failed,cancelled}'::pg_catalog.text[])
       and priority operator(pg_catalog.>=) (-1000) and priority operator(pg_catalog.<=) 1000
       and (state operator(pg_catalog.=) any ('{running,blocked}'::pg_catalog.text[])) operator(pg_catalog.=) (finished_at is null)
       and (state operator(pg_catalog.=) 'failed') operator(pg_catalog.=) (failure_class is not null)
       and (failure_class is null) operator(pg_catalog.=) (failure_message is null)
       and (failure_class is null) operator(pg_catalog.=) (failed_stage is null);
end
$$;

create or replace function piton.is_sound_trace(traceparent text, tracestate text) returns boolean
language plpgsql immutable parallel safe
as $$
begin
    return traceparent operator(pg_catalog.~) '^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$'
       and traceparent operator(pg_catalog.!~) '^(00-0{32}|.{36}0{16})'
       and (tracestate is null
            or pg_catalog.length(tracestate) operator(pg_catalog.<=) 512 and tracestate operator(pg_catalog.~) '^[ -~]+$');
end
$$;

-- Also for a session that has switched triggers off.
alter table piton.audit enable always trigger audit_is_kept;
alter function piton.refuse_change_of_audit() set search_path = pg_catalog, pg_temp;
comment on column piton.audit.face is 'Where it was asked for: sql, cli or api, as the setting piton.face of the transaction says; without one it is sql. Anybody can set it: what nobody can say is the role.';
comment on column piton.audit.role is 'The database role that was logged in (session_user). Nobody but the owner of the schema can say another one, whatever is given as the actor.';

-- Every table has a key: updates of one that a publication has, and that has none, are refused.
alter table piton.function_set
    add column id smallint not null default 1 check (id = 1),
    add primary key (id);
comment on column piton.function_set.id is 'Always 1: there is one row.';

-- functions: 388deb7438982164fc9eef9a2148507783340075aaf0e9053bc9446ef133d827
