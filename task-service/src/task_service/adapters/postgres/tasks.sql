-- name: add
insert into tasks (id, issuer, subject, name, description, max_attempts, backoff_seconds, max_backoff_seconds,
                   persistent_token_id, token_status, urgency, kind, parameters)
values (%(id)s, %(issuer)s, %(subject)s, %(name)s, %(description)s, %(max_attempts)s, %(backoff)s, %(max_backoff)s,
        %(persistent_token_id)s, %(token_status)s, %(urgency)s, %(kind)s, %(parameters)s)
returning id;

-- name: by_id
select t.id, t.issuer, t.subject, t.name, t.description, t.created_at, t.kind, t.parameters,
       t.persistent_token_id, t.token_status, t.urgency,
       s.cron, s.run_at, s.timezone, s.overlap, s.status, s.stop_reason, s.next_run_at, s.held, s.last_run_at, s.missed_at,
       t.max_attempts, t.backoff_seconds, t.max_backoff_seconds, t.replaces_token_id, r.number, r.status, r.started_at,
       r.completed_at, r.result,
       r.error, r.progress, r.reason, r.wait_reason, r.next_attempt_at
from tasks t
left join schedules s on s.task_id = t.id
left join runs r on r.task_id = t.id and r.number = t.last_run
where t.id = any (%(ids)s)
  and t.issuer = %(issuer)s
  and t.subject = %(subject)s;

-- name: find
select t.id, t.issuer, t.subject, t.name, t.description, t.created_at, t.kind, t.parameters,
       t.persistent_token_id, t.token_status, t.urgency,
       s.cron, s.run_at, s.timezone, s.overlap, s.status, s.stop_reason, s.next_run_at, s.held, s.last_run_at, s.missed_at,
       t.max_attempts, t.backoff_seconds, t.max_backoff_seconds, t.replaces_token_id, r.number, r.status, r.started_at,
       r.completed_at, r.result,
       r.error, r.progress, r.reason, r.wait_reason, r.next_attempt_at
from tasks t
left join schedules s on s.task_id = t.id
left join runs r on r.task_id = t.id and r.number = t.last_run
where t.id = %(id)s
  and t.issuer = %(issuer)s
  and t.subject = %(subject)s;

-- name: lock_to_delete
select last_run
from tasks
where id = %(id)s
  and issuer = %(issuer)s
  and subject = %(subject)s
for update;

-- name: delete_runs
-- Before the task, so that rows are locked in the order in which workers lock them: a run, then its attempts. Returns the
-- engine's jobs: as they are once the lock is held, for a worker may have given its attempt back meanwhile, to a new job.
with gone as (
    delete from runs
    where task_id = %(id)s
    returning status, job_id
)
select job_id
from gone
where status in ('queued', 'running')
  and job_id is not null;

-- name: delete
delete from tasks
where id = %(id)s;

-- name: link
update tasks
set persistent_token_id = %(persistent_token_id)s, token_status = %(token_status)s,
    replaces_token_id = case
        when persistent_token_id <> %(persistent_token_id)s and token_status = 'active' then persistent_token_id
        else nullif(replaces_token_id, %(persistent_token_id)s)
    end
where id = %(id)s
  and (persistent_token_id, token_status) is distinct from (%(persistent_token_id)s::uuid, %(token_status)s);

-- name: forget_replaced
update tasks
set replaces_token_id = null
where id = %(id)s
  and issuer = %(issuer)s
  and subject = %(subject)s
  and replaces_token_id = %(token_id)s
returning true;

-- name: links
select count(*)
from (
    select
    from tasks
    where issuer = %(issuer)s
      and subject = %(subject)s
      and persistent_token_id = %(token_id)s
    union all
    select
    from tasks
    where issuer = %(issuer)s
      and subject = %(subject)s
      and id = any (%(asked_for)s::uuid[])
      and persistent_token_id is null
    limit %(at_most)s
) as counted;
