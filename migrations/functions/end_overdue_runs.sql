-- Whoever comes first takes the rows; two workers that look at once do not wait for each other.
create or replace function piton.end_overdue_runs(most integer) returns setof uuid
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    due record;
begin
    for due in
        select d.run_id, d.at, r.uuid as run
        from piton.deadlines d left join piton.runs r on r.id = d.run_id and r.state in ('running', 'blocked')
        where d.at <= now()
        order by d.at
        limit most
        for update of d skip locked
    loop
        begin
            if due.run is not null then
                perform piton.end_run(due.run, 'its deadline passed: ' || piton.clock(due.at), 'piton', due.at);
                return next due.run;
            end if;
        exception when object_not_in_prerequisite_state then
            -- It has finished at this very moment.
            null;
        when others then
            -- Something about this run, which must not keep the others from their ends. It is tried again, and told each time.
            raise warning 'run % is past its deadline, and cannot be cancelled: %', due.run, sqlerrm;
            continue;
        end;
        delete from piton.deadlines d where d.run_id = due.run_id;
    end loop;
end
$$;
comment on function piton.end_overdue_runs(integer) is 'For Piton itself: cancels runs whose deadline has passed, up to a maximum, and returns them. Every worker asks when one is due.';
