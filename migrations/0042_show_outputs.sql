-- What stages have returned can be read with the names of their runs and stages: piton.outputs_overview.

-- functions: 63c42601df7e67f808cd141a7b2208b8fa13d51afb5ad2c2472f732cb652a382
