-- Runs that the version before this one has begun after 0010 did not mark those that they follow.
update runs r
set superseded = true
from tasks t
where t.id = r.task_id
  and r.number < t.last_run
  and not r.superseded;
