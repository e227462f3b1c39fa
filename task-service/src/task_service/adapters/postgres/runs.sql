-- name: add_run
insert into runs (task_id, number, issuer, subject, cause, status, fence, job_id, urgency, queue_tag)
values (%(task_id)s, %(number)s, %(issuer)s, %(subject)s, %(cause)s, 'queued', %(fence)s, %(job_id)s, %(urgency)s,
        %(queue_tag)s);

-- name: cancel
-- One statement decides between this and whatever ends the run at the same time.
with cancelled as (
    update runs
    set status = 'cancelled', wait_reason = null, reason = %(reason)s, waiting_since = null, next_attempt_at = null,
        completed_at = now()
    where task_id = %(task_id)s
      and number = %(number)s
      and status in ('waiting', 'queued', 'running')
    returning fence, job_id
), noted as (
    update attempts
    set ended_at = now(), outcome = 'cancelled', error = %(reason)s
    where task_id = %(task_id)s
      and fence = (select fence from cancelled)
      and ended_at is null
)
select job_id
from cancelled;

-- name: count_run
update tasks
set last_run = %(number)s
where id = %(task_id)s;

-- name: add_attempt
insert into attempts (task_id, fence, run, persistent_token_id)
values (%(task_id)s, %(fence)s, %(number)s, %(persistent_token_id)s);

-- name: set_job
update runs
set job_id = %(job_id)s, urgency = %(urgency)s, queue_tag = %(queue_tag)s
where task_id = %(task_id)s
  and number = %(number)s;

-- name: add_waiting_run
insert into runs (task_id, number, issuer, subject, cause, status, wait_reason, reason, fence)
values (%(task_id)s, %(number)s, %(issuer)s, %(subject)s, %(cause)s, 'waiting', 'dependency', %(reason)s, %(fence)s);

-- name: states_of_dependencies
select coalesce(r.status, 'pending')
from dependencies d
join tasks u on u.id = d.depends_on
left join runs r on r.task_id = u.id and r.number = u.last_run
where d.task_id = %(task_id)s;

-- name: see_all
update dependencies d
set seen_run = u.last_run
from tasks u
where d.task_id = %(task_id)s
  and u.id = d.depends_on
  and d.seen_run <> u.last_run;

-- name: see_ended
-- What has ended before its owner cancelled the task does not start it any more.
update dependencies d
set seen_run = u.last_run
from tasks u
join runs r on r.task_id = u.id and r.number = u.last_run
where d.task_id = %(task_id)s
  and u.id = d.depends_on
  and r.status in ('completed', 'failed', 'cancelled')
  and d.seen_run <> u.last_run;

-- name: place
-- The task's urgency; the lowest tag that waits in the queue; the greatest of the owner's own, by urgency. Each is found at
-- the end of an index.
select t.urgency,
       coalesce((
           select -j.priority
           from procrastinate_jobs j
           where j.status = 'todo'
             and j.queue_name = %(queue)s
           order by j.priority desc, j.id
           limit 1
       ), 0),
       (
           select max(r.queue_tag)
           from runs r
           where r.issuer = t.issuer and r.subject = t.subject and r.status = 'queued' and r.urgency = 0
       ),
       (
           select max(r.queue_tag)
           from runs r
           where r.issuer = t.issuer and r.subject = t.subject and r.status = 'queued' and r.urgency = 1
       ),
       (
           select max(r.queue_tag)
           from runs r
           where r.issuer = t.issuer and r.subject = t.subject and r.status = 'queued' and r.urgency = 2
       )
from tasks t
where t.id = %(task_id)s;
