-- name: begin
with begun as (
    update runs r
    set status = 'running', progress = 0, started_at = now()
    from attempts a
    join tasks t on t.id = a.task_id
    where a.task_id = %(task_id)s
      and a.fence = %(fence)s
      and r.task_id = a.task_id
      and r.number = a.run
      and r.fence = a.fence
      and r.status in ('queued', 'running')
    returning r.number, t.issuer, t.subject, t.name, t.kind, t.parameters, a.persistent_token_id, r.failures,
              t.max_attempts, t.backoff_seconds, t.max_backoff_seconds
), noted as (
    update attempts
    set started_at = coalesce(started_at, now())
    where task_id = %(task_id)s
      and fence = %(fence)s
      and exists (select from begun)
)
select number, issuer, subject, name, kind, parameters, persistent_token_id, failures, max_attempts, backoff_seconds,
       max_backoff_seconds
from begun;

-- name: progress
-- As all that attempts report, percentages are written to rows that nobody else has locked: one forgotten transaction would hold
-- up those of all attempts of a worker. Gives the attempts that were not taken over, and whether theirs is written.
with said as (
    select *
    from unnest(%(tasks)s::uuid[], %(runs)s::int[], %(fences)s::bigint[], %(percents)s::smallint[])
         as said (task_id, number, fence, percent)
), free as (
    select r.task_id, r.fence
    from runs r
    join said using (task_id, number, fence)
    where r.status = 'running'
    for no key update of r skip locked
), written as (
    update runs r
    set progress = said.percent
    from said
    join free using (task_id, fence)
    where r.task_id = said.task_id
      and r.number = said.number
)
select r.task_id, r.fence, (r.task_id, r.fence) in (select task_id, fence from free)
from runs r
join said using (task_id, number, fence)
where r.status = 'running';

-- name: complete
-- The job is removed with it, as the engine would do in a statement of its own (`procrastinate_finish_job_v1`).
with ended as (
    update runs
    set status = 'completed', result = %(result)s, progress = 100, completed_at = now()
    where task_id = %(task_id)s
      and number = %(number)s
      and fence = %(fence)s
      and status = 'running'
    returning number, job_id
), noted as (
    update attempts
    set ended_at = now(), outcome = 'completed'
    where task_id = %(task_id)s
      and fence = %(fence)s
      and exists (select from ended)
), removed as (
    delete from procrastinate_jobs j
    using ended
    where j.id = ended.job_id
      and j.status in ('todo', 'doing')
)
select number
from ended;

-- name: fail
with ended as (
    update runs
    set status = 'failed', error = %(error)s, completed_at = now()
    where task_id = %(task_id)s
      and number = %(number)s
      and fence = %(fence)s
      and status in ('queued', 'running')
    returning number
), noted as (
    update attempts
    set ended_at = now(), outcome = %(outcome)s, error = %(error)s
    where task_id = %(task_id)s
      and fence = %(fence)s
      and ended_at is null
      and exists (select from ended)
)
select number
from ended;

-- name: fail_token
update tasks
set token_status = 'failed'
where id = %(task_id)s
  and persistent_token_id = %(persistent_token_id)s;

-- name: retry
-- Another attempt will follow when it is due; `queue_retries` makes it.
with waiting as (
    update runs
    set status = 'waiting', wait_reason = 'retry', reason = %(error)s, failures = failures + 1, progress = null,
        started_at = null, job_id = null, waiting_since = now(),
        next_attempt_at = now() + make_interval(secs => %(seconds)s)
    where task_id = %(task_id)s
      and number = %(number)s
      and fence = %(fence)s
      and status = 'running'
    returning number
), noted as (
    update attempts
    set ended_at = now(), outcome = 'failed', error = %(error)s
    where task_id = %(task_id)s
      and fence = %(fence)s
      and exists (select from waiting)
)
select number
from waiting;

-- name: due_retries
-- Tasks are locked before runs, as everywhere. Each half goes through an index that is as long as what waits for a retry.
-- A run that has waited since a time ahead of now is due too: the clock was set back.
select r.task_id, r.number
from runs r
join tasks t on t.id = r.task_id
where r.next_attempt_at <= now()
   or r.waiting_since > now()
order by r.next_attempt_at
limit %(at_most)s
for key share of t skip locked;

-- name: queue_retry
update runs r
set status = 'queued', wait_reason = null, reason = null, waiting_since = null, next_attempt_at = null, fence = r.fence + 1
from attempts a
where r.task_id = %(task_id)s
  and r.number = %(number)s
  and r.status = 'waiting'
  and r.wait_reason = 'retry'
  and a.task_id = r.task_id
  and a.fence = r.fence
returning r.fence, a.persistent_token_id;

-- name: hold_task
-- The task before the run, as everywhere: a deletion waits here, or has removed the run.
select
from tasks
where id = %(task_id)s
for key share;

-- name: is_held
-- True when somebody else's transaction holds the rows of an attempt; otherwise they are held until this one ends.
-- The sweep does not wait for them: one forgotten transaction would hold up the attempts of everybody else.
with held as (
    select
    from attempts a
    join tasks t on t.id = a.task_id
    join runs r on r.task_id = a.task_id and r.number = a.run
    where a.task_id = %(task_id)s
      and a.fence = %(fence)s
    for no key update of a skip locked
    for key share of t skip locked
    for no key update of r skip locked
)
select not exists (select from held)
   and exists (select from attempts where task_id = %(task_id)s and fence = %(fence)s);

-- name: replace
-- Another attempt will follow this one, under a new fence; crashes count those whose worker died.
with replaced as (
    update runs r
    set status = 'queued', fence = r.fence + 1, progress = null, started_at = null, job_id = null,
        crashes = r.crashes + %(crashes)s
    from attempts a
    where a.task_id = %(task_id)s
      and a.fence = %(fence)s
      and r.task_id = a.task_id
      and r.number = a.run
      and r.fence = a.fence
      and r.status in ('queued', 'running')
    returning r.number, r.fence, r.crashes, a.persistent_token_id
), noted as (
    update attempts
    set ended_at = now(), outcome = %(outcome)s
    where task_id = %(task_id)s
      and fence = %(fence)s
      and exists (select from replaced)
)
select number, fence, crashes, persistent_token_id
from replaced;

-- name: ticket
select ticket_id
from attempts
where task_id = %(task_id)s
  and fence = %(fence)s;

-- name: orphans
select task_id, fence
from runs
where status in ('queued', 'running')
  and job_id is null
limit 1000;
