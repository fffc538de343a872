-- What is left to do is read apart from the rest of the state: piton.outlook_state.

-- functions: ca3693c07c09d628b3a1c1c5d110d38e402615737bf9a0ca5d5192616cdcf717
