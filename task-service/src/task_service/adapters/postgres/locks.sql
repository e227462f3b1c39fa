-- name: lock
select persistent_token_id, last_run
from tasks
where id = %(id)s
  and issuer = %(issuer)s
  and subject = %(subject)s
for no key update;

-- name: latest_run
select status, fence
from runs
where task_id = %(id)s
  and number = %(number)s;
