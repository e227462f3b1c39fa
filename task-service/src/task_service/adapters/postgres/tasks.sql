-- name: add
insert into tasks (id, issuer, subject, name, description, max_attempts, backoff_seconds, max_backoff_seconds)
values (%(id)s, %(issuer)s, %(subject)s, %(name)s, %(description)s, %(max_attempts)s, %(backoff)s, %(max_backoff)s)
returning id;

-- name: list_version
-- The sum grows with each change but two: progress, and a run that begins. What runs now is read for these.
select coalesce((
           select sum(version)
           from list_versions
           where issuer = %(issuer)s
             and subject = %(subject)s
       ), 0),
       coalesce((
           select md5(string_agg(concat_ws(':', task_id, fence, progress), ',' order by task_id))
           from runs
           where issuer = %(issuer)s
             and subject = %(subject)s
             and status = 'running'
       ), '');

-- name: of_owner
select t.id, t.issuer, t.subject, t.name, t.description, t.created_at, t.kind, t.persistent_token_id, t.token_status,
       t.max_attempts, t.backoff_seconds, t.max_backoff_seconds, r.number, r.status, r.started_at, r.completed_at, r.result,
       r.error, r.progress, r.reason, r.wait_reason, r.next_attempt_at
from tasks t
left join runs r on r.task_id = t.id and r.number = t.last_run
where t.issuer = %(issuer)s
  and t.subject = %(subject)s
order by t.created_at desc, t.id
limit 1000;

-- name: find
select t.id, t.issuer, t.subject, t.name, t.description, t.created_at, t.kind, t.persistent_token_id, t.token_status,
       t.max_attempts, t.backoff_seconds, t.max_backoff_seconds, r.number, r.status, r.started_at, r.completed_at, r.result,
       r.error, r.progress, r.reason, r.wait_reason, r.next_attempt_at
from tasks t
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
-- Before the task, so that rows are locked in the order in which workers lock them: a run, then its attempts.
delete from runs
where task_id = %(id)s;

-- name: delete
delete from tasks
where id = %(id)s;

-- name: jobs
-- The engine's jobs of what the task has under way.
select job_id
from runs
where task_id = %(id)s
  and number = %(number)s
  and status in ('queued', 'running')
  and job_id is not null;

-- name: link
update tasks
set persistent_token_id = %(persistent_token_id)s, token_status = %(token_status)s
where id = %(id)s
  and (persistent_token_id, token_status) is distinct from (%(persistent_token_id)s::uuid, %(token_status)s);

-- name: claim_check
-- One caller at a time asks the vault: often while a consent is awaited, seldom otherwise. A failed token is asked for
-- too, since it can become usable again. A time that lies ahead is that of a clock which was set back since.
update owners o
set token_checked_at = now()
where o.issuer = %(issuer)s
  and o.subject = %(subject)s
  and o.token_checked_at not between now() - interval '1.5 seconds' and now()
  and (exists (
           select
           from tasks t
           where t.issuer = o.issuer
             and t.subject = o.subject
             and t.token_status = 'pending'
       )
       or o.token_checked_at not between now() - interval '15 seconds' and now()
       and exists (
           select
           from tasks t
           where t.issuer = o.issuer
             and t.subject = o.subject
             and t.token_status is not null
       ))
returning true;

-- name: set_token_status
update tasks t
set token_status = coalesce(said.status, 'failed')
from tasks linked
left join unnest(%(ids)s::uuid[], %(statuses)s::text[]) as said (id, status) on said.id = linked.persistent_token_id
where t.id = linked.id
  and linked.issuer = %(issuer)s
  and linked.subject = %(subject)s
  and linked.token_status is not null
  and linked.token_status is distinct from coalesce(said.status, 'failed');
