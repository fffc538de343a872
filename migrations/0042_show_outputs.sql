-- What stages have returned can be read with the names of their runs and stages: piton.outputs_overview.

-- functions: e9c4c73af1a5e2f44b751b4c9441dfd301ce6be7ec31b885ef41997ff316d809
