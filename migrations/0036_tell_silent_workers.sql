-- Metrics tell workers that are stopping or silent from those that are alive.

-- functions: x
