-- Metrics tell workers that are stopping or silent from those that are alive.

-- functions: 902b3aa4efad1d6a1125d37f261c048537ddedb3569c9cd2aa767cad68ac5067
