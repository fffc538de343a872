-- What waits and what runs. Dead letters are counted by cause (top_causes.sql): there may be many more of them.
select workflow, stage, reason, jobs, oldest_since, why, moves
from piton.waiting_overview
where reason <> 'decision'
order by workflow, stage, reason
