-- name: begin
update tasks
set status = 'running', progress = 0, started_at = now()
where id = %(task_id)s
  and fence = %(fence)s
  and status in ('queued', 'running')
returning issuer, subject, name, persistent_token_id;

-- name: attempt_started
update attempts
set started_at = coalesce(started_at, now())
where task_id = %(task_id)s
  and fence = %(fence)s;

-- name: progress
update tasks
set progress = %(percent)s
where id = %(task_id)s
  and fence = %(fence)s
  and status = 'running'
returning true;

-- name: complete
update tasks
set status = 'completed', result = %(result)s, progress = 100, completed_at = now()
where id = %(task_id)s
  and fence = %(fence)s
  and status = 'running'
returning true;

-- name: fail
update tasks
set status = 'failed', error = %(error)s, completed_at = now(),
    token_status = case when %(token_failed)s then 'failed' else token_status end
where id = %(task_id)s
  and fence = %(fence)s
  and status in ('queued', 'running')
returning true;

-- name: requeue
-- Another attempt in the place of this one; crashes count those whose worker died.
update tasks
set status = 'queued', fence = fence + 1, progress = null, started_at = null, crashes = crashes + %(crashes)s
where id = %(task_id)s
  and fence = %(fence)s
  and status in ('queued', 'running')
returning fence, persistent_token_id, crashes;

-- name: attempt_ended
update attempts
set ended_at = now(), outcome = %(outcome)s
where task_id = %(task_id)s
  and fence = %(fence)s
  and ended_at is null;

-- name: orphans
-- Under way, and no job is left that would end it: its worker could not write down how the attempt went.
select t.id, t.fence
from tasks t
where t.status in ('queued', 'running')
  and not exists (
      select
      from procrastinate_jobs j
      where j.id = t.job_id
        and j.status in ('todo', 'doing')
  );
