-- No change of a table: a run's input that holds half of a surrogate pair is refused where it comes in, for nobody could read
-- the string, and Postgres itself fails on it (input ->> 'key').

-- functions: 0276d2acd70d314da2223c33d6f4fac3c8018bd858f232fbd64bf38055636dc2
