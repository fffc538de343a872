-- Under a key that was used before, a run is not started again. Whether its input was another one is said now: a warning of
-- piton.start_run, and an answer of the new piton.start_run_once. No table changes.

-- functions: d6c2ec361a1d5c21a3f0dd9908d9744835c135e4ccb8b77293c3d4898a9e2967
