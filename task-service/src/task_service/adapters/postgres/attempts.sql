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
    returning r.number, t.issuer, t.subject, t.name, t.kind, t.parameters, a.persistent_token_id
), noted as (
    update attempts
    set started_at = coalesce(started_at, now())
    where task_id = %(task_id)s
      and fence = %(fence)s
      and exists (select from begun)
)
select number, issuer, subject, name, kind, parameters, persistent_token_id
from begun;

-- name: progress
update runs r
set progress = said.percent
from unnest(%(tasks)s::uuid[], %(runs)s::int[], %(fences)s::bigint[], %(percents)s::smallint[])
     as said (task_id, number, fence, percent)
where r.task_id = said.task_id
  and r.number = said.number
  and r.fence = said.fence
  and r.status = 'running'
returning r.task_id, r.fence;

-- name: complete
with ended as (
    update runs
    set status = 'completed', result = %(result)s, progress = 100, completed_at = now()
    where task_id = %(task_id)s
      and number = %(number)s
      and fence = %(fence)s
      and status = 'running'
    returning number
), noted as (
    update attempts
    set ended_at = now(), outcome = 'completed'
    where task_id = %(task_id)s
      and fence = %(fence)s
      and exists (select from ended)
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
    set ended_at = now(), outcome = %(outcome)s
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

-- name: orphans
select task_id, fence
from runs
where status in ('queued', 'running')
  and job_id is null
limit 1000;
