-- No change of a table: a run's input with a lone surrogate is refused where it comes in, for no program could read the string,
-- and Postgres itself fails on it (input ->> 'key').

-- functions: bde562122e92f840cdec74453cb30f405e5c3423f299cad8c3f8ca6a58f6a961
