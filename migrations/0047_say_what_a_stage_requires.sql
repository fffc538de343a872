-- Whoever asks why a job waits is told which tools and places its stage requires, where no live worker has them: piton.holds.

-- functions: 3199dee6a86f73f5213c10541b7a64f7521db40056d2abfc563cbeb4159ab2b4
