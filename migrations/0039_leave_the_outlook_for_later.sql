-- What is left to do is read apart from the rest of the state: piton.outlook_state.

-- functions: 09583370086028f8917ed7a4c1fb1ba0e1b6b60e876726425027c967a71d8ace
