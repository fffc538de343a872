-- no-transaction
-- The children of a run are found by it; other runs are not in this index, and the end of a child touches it no more than theirs.
create index concurrently if not exists runs_children on piton.runs (parent_id, id) where parent_id is not null

-- functions: 825607025b4442c335af4d880f57a321df84759d7fcbb2edaf2b425c91f90134
