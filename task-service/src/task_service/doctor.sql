-- name: session
select current_setting('application_name');

-- name: clock
select extract(epoch from clock_timestamp())::float8;

-- name: late
-- Seconds for which the oldest scheduled run has been due.
select extract(epoch from now() - min(next_run_at))::float8
from schedules
where status = 'active'
  and not held;
