-- Only functions change: piton.start_runs says which of its inputs it refuses.

-- functions: 88ed2b482ad79ea885d791ef40921ff5aecd829eb50c034e12aa9ffc4ec69de3
