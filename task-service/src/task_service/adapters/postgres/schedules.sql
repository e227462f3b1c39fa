-- name: find
select s.cron, s.run_at, s.timezone, s.overlap, s.status, s.stop_reason, s.next_run_at, s.held, s.last_run_at, s.missed_at
from schedules s
where s.task_id = %(task_id)s;

-- name: now
select now();

-- name: put
insert into schedules (task_id, issuer, subject, cron, run_at, timezone, overlap, status, stop_reason, next_run_at, held,
                       last_run_at, missed_at)
values (%(task_id)s, %(issuer)s, %(subject)s, %(cron)s, %(run_at)s, %(timezone)s, %(overlap)s, %(status)s,
        %(stop_reason)s, %(next_run_at)s, %(held)s, %(last_run_at)s, %(missed_at)s)
on conflict (task_id) do update
set cron = excluded.cron, run_at = excluded.run_at, timezone = excluded.timezone, overlap = excluded.overlap,
    status = excluded.status, stop_reason = excluded.stop_reason, next_run_at = excluded.next_run_at,
    held = excluded.held, last_run_at = excluded.last_run_at, missed_at = excluded.missed_at;

-- name: remove
delete from schedules
where task_id = %(task_id)s
returning task_id;

-- name: due
-- Found through an index of what is due. Two ticks at once each take rows that the other has not: a row that was taken and
-- changed meanwhile is looked at again, and is not due any more.
select t.id, t.issuer, t.subject, t.persistent_token_id, t.token_status, t.last_run, now(), s.cron, s.run_at, s.timezone,
       s.overlap, s.status, s.stop_reason, s.next_run_at, s.held, s.last_run_at, s.missed_at
from schedules s
join tasks t on t.id = s.task_id
where s.status = 'active'
  and not s.held
  and s.next_run_at <= now()
order by s.next_run_at
limit %(at_most)s
for no key update of t, s skip locked;

-- name: hold_back_the_end
-- The run under way cannot end before its schedule has been noted to wait for that; no row when it is about to.
select status
from runs
where task_id = %(task_id)s
  and number = %(number)s
  and status in ('waiting', 'queued', 'running')
for share skip locked;
