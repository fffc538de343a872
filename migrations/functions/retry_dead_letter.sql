create or replace function piton.retry_dead_letter(dead_letter uuid, actor text default session_user, note text default null)
returns void
language plpgsql
as $$
begin
    if piton.retry_dead_letters(array[dead_letter], actor, note) = 0 then
        perform piton.refuse_dead_letter(dead_letter);
    end if;
end
$$;
comment on function piton.retry_dead_letter(uuid, text, text) is 'Lets a dead letter''s job go on from the last checkpoint, with a new budget of retries. Its attempts stay on record.';
