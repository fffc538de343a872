-- What stages have returned can be read with the names of their runs and stages: piton.outputs_overview.

-- functions: 52b0e4d136a1883cf5da8087e7f56670b0eef9738d39e902926ea1f3921dae59
