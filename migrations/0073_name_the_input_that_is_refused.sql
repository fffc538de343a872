-- Only functions change: piton.start_runs says which of its inputs it refuses.

-- functions: 3267b390129a7fc9b1bf208148e113152a0a94fa26d66fd663a7ee8ac637bca6
