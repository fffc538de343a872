-- Under a key that was used before, a run is not started again. Whether its input was another one is said now: a warning of
-- piton.start_run, and an answer of the new piton.start_run_once. No table changes.

-- functions: 4de50590365f0d2ff968bf394d748f7dd2661e03bad48e06f8a56d9d87fc4f4d
