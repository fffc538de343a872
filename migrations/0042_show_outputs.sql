-- What stages have returned can be read with the names of their runs and stages: piton.outputs_overview.

-- functions: 46ff42edc254d7209b287707540438ccce4ac1c65de6f2fec98ffdd78aacb8b6
