-- No change of a table: a run's input that holds half of a surrogate pair is refused where it comes in, for nobody could read
-- the string, and Postgres itself fails on it (input ->> 'key').

-- functions: d2ec9a3b9ac2673506dfcd97dd2503e0caa821678043cb76da3c4e99af914b6e
