-- Metrics tell workers that are stopping or silent from those that are alive.

-- functions: fb31ae6bbfebd3d5a92b9957a972ddfbaf562dfc39a1276c68956451cf024be6
