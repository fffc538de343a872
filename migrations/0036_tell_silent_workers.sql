-- Metrics tell workers that are stopping or silent from those that are alive.

-- functions: 7f17ede17f281b0e499e9a25cd55766775a3a7c00132427f0ac741e78a25c30d
