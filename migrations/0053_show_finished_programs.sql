-- What an attempt waits for says whether piton.finish has already committed its result: only piton.why_waiting changes.

-- functions: 6e1fd9fffca4b38e2ce0d30cb014a7eeb6f4e79d936f377abc17cedcda8d13c7
