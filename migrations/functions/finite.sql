-- With an infinite time nothing can be reckoned, and with a far one not everything. No row should have one; where somebody has
-- put one there all the same, a statement over many rows must not fail for it.
create or replace function piton.finite(at timestamptz) returns timestamptz
language sql immutable parallel safe
as $$
    -- One expression, so that it becomes a part of the statement that asks.
    select case when at is not null
                then greatest(least(at, '9999-12-31 23:59:59.999999+00'), '0001-01-01 00:00:00+00') end
$$;
comment on function piton.finite(timestamptz) is 'That time, or the first or last moment of the years 1 to 9999 where it lies outside of them.';
