-- What stages have returned can be read with the names of their runs and stages: piton.outputs_overview.

-- functions: b1cc67aa89dea6c5e51efc9ccaddf3bd2404af3383c3dcfe3ffba4929d350c34
