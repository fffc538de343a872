-- Who may do what. Four roles that others may be given: piton_reader sees everything and changes nothing; piton_operator sees
-- everything too, and decides by calling verbs, which run with the rights of whoever migrated; piton_worker is what a worker
-- has to be; piton_stage can call piton.finish, for programs that are stages, and answer for services that a stage waits for, and sees nothing. A function that is in none of these lists is for the functions that call it, and nobody else.
--
-- Who migrates without the right to create roles does without them, or has them created and migrates again. Roles belong to
-- the whole server: another database may create them at this moment.
do $$
declare
    readers constant text[] := '{batch_named, batch_results, can_begin, changes, clock, failed_in_a_row, finite, input_at, input_fits, is_measure, is_sound_stage_times, is_sound_throughput, limit_heads, limit_room, limit_words, live_jobs, live_waits,
        protection, retry_preview, run_waits, some_of, span_words, stages_of,
        store_owner, unexplained_runs, work_left}';
    -- The last line is what a cancelled or started batch is made of, where the command line does it piece by piece.
    operators constant text[] := readers || '{start_run, start_run_once, start_run_on_files, begin_on_file, is_same_input, start_runs, start_batch, cancel_run, cancel_batch, retry_batch,
        retry_dead_letter, retry_dead_letters, dismiss_dead_letter, force_dead_letter, wake, signal, complete, fail, heartbeat, callback_token_of, pause, resume, pause_schedule, resume_schedule, trigger_schedule, set_schedule, drop_schedule, tick_input, hold_run, release_run,
        deploy_workflow, rollback_workflow, keep, plan_cleanup, new_id, check_input, trace_parent, trace_state,
        open_batch, pin_batch, add_to_batch, seal_batch, discard_batch, feed_batch, stop_batch, cancel_batch_runs}';
    workers constant text[] := operators || '{start_run_of, wake_workers, run_under, deploy_if_new, renew_stages, make_current, leave_stages, claim_limited, worker_room, open_queues,
        end_overdue_runs, feed_batches, fire_schedules, plan_next_cleanup, renew_fingerprints, settle_artifacts, settle_throughput, begin_cleanup, clean_runs, clean_batches, clean_records, take_artifacts, artifacts_deleted, outlook_state, state,
        is_sound_job, is_sound_run, is_sound_trace, finish, wait_is_spent, begin_child, answer_parent, settle_children,
        settle_quorum, settle_race, begin_round, open_callback}';
    role text;
    verbs text[];
    verb regprocedure;
begin
    revoke all on all functions in schema piton from public;
    foreach role in array array['piton_reader', 'piton_operator', 'piton_worker'] loop
        begin
            if not exists (select from pg_roles r where r.rolname = role) then
                execute format('create role %I nologin', role);
            end if;
        exception
            when insufficient_privilege or duplicate_object or unique_violation then null;
        end;
        continue when not exists (select from pg_roles r where r.rolname = role);
        -- What an older Piton let them do.
        execute format('revoke all on all tables in schema piton from %I', role);
        execute format('revoke all on all sequences in schema piton from %I', role);
        execute format('revoke all on all functions in schema piton from %I', role);
        execute format('alter default privileges in schema piton revoke all on tables from %I', role);
        execute format('alter default privileges in schema piton revoke all on sequences from %I', role);
        execute format('grant usage on schema piton to %I', role);
        execute format('grant select on all tables in schema piton to %I', role);
        execute format('alter default privileges in schema piton grant select on tables to %I', role);
        execute format('revoke all on piton.callback_key from %I', role);
        verbs := case role when 'piton_reader' then readers when 'piton_operator' then operators else workers end;
        for verb in select p.oid from pg_proc p
                    where p.pronamespace = 'piton'::regnamespace and p.proname = any(verbs) loop
            execute format('grant execute on function %s to %I', verb, role);
        end loop;
    end loop;
    begin
        if not exists (select from pg_roles r where r.rolname = 'piton_stage') then
            create role piton_stage nologin;
        end if;
    exception
        when insufficient_privilege or duplicate_object or unique_violation then null;
    end;
    if exists (select from pg_roles r where r.rolname = 'piton_stage') then
        revoke all on all functions in schema piton from piton_stage;
        grant usage on schema piton to piton_stage;
        grant execute on function piton.finish(text, json), piton.complete(text, json, text),
            piton.fail(text, text, text, interval, text), piton.heartbeat(text, json) to piton_stage;
    end if;
    if exists (select from pg_roles r where r.rolname = 'piton_worker') then
        -- What live work is made of, and what it leaves. A run's input, a checkpoint and an attempt stay as they were written.
        grant insert, update, delete on piton.jobs, piton.joins, piton.leases, piton.finishes to piton_worker;
        grant insert, update on piton.workers, piton.waits, piton.artifacts, piton.stage_times, piton.throughput to piton_worker;
        grant insert, delete on piton.health_history to piton_worker;
        grant insert on piton.checkpoints, piton.attempts, piton.steps, piton.dead_letters to piton_worker;
        grant update (state, finished_at) on piton.runs to piton_worker;
        grant update (state, ended_at) on piton.cleanups to piton_worker;
        -- A definition is added, and never changed: only the plan that an older Piton left out.
        grant insert on piton.workflows, piton.workflow_versions to piton_worker;
        grant update (start_stages, join_stages, join_missing) on piton.workflow_versions to piton_worker;
        -- Not the role: that column is what the server knows, and not what it is told.
        grant insert (actor, face, verb, subject_kind, subject, detail) on piton.audit to piton_worker;
    end if;
end
$$;
