-- Causes of the dead letters that wait for a decision, the one with the most of them first.
select c.workflow, c.stage, c.class, c.fingerprint, c.letters, c.runs, c.first_at, c.last_at, c.example
from piton.causes_overview c
order by c.letters desc, c.workflow, c.stage, c.fingerprint
limit $1
