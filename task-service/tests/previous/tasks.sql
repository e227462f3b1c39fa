-- name: add
insert into tasks (id, issuer, subject, name, description)
values (%(id)s, %(issuer)s, %(subject)s, %(name)s, %(description)s)
returning id, issuer, subject, name, description, status, created_at, started_at, completed_at, persistent_token_id,
          token_status, result, error, progress;

-- name: version
select version
from owners
where issuer = %(issuer)s
  and subject = %(subject)s;

-- name: of_owner
select id, issuer, subject, name, description, status, created_at, started_at, completed_at, persistent_token_id,
       token_status, result, error, progress
from tasks
where issuer = %(issuer)s
  and subject = %(subject)s
order by created_at desc, id
limit 1000;

-- name: find
select id, issuer, subject, name, description, status, created_at, started_at, completed_at, persistent_token_id,
       token_status, result, error, progress
from tasks
where id = %(id)s
  and issuer = %(issuer)s
  and subject = %(subject)s;

-- name: delete
delete from tasks
where id = %(id)s
  and issuer = %(issuer)s
  and subject = %(subject)s
returning job_id, status;

-- name: link
-- The same token again is welcome at any time; another one only while nothing runs.
update tasks
set persistent_token_id = %(persistent_token_id)s, token_status = %(token_status)s
where id = %(id)s
  and issuer = %(issuer)s
  and subject = %(subject)s
  and (persistent_token_id = %(persistent_token_id)s or status not in ('queued', 'running'))
returning id, issuer, subject, name, description, status, created_at, started_at, completed_at, persistent_token_id,
          token_status, result, error, progress;

-- name: enqueue
update tasks
set status = 'queued', fence = fence + 1, crashes = 0, result = null, error = null, progress = null, started_at = null,
    completed_at = null
where id = %(id)s
  and issuer = %(issuer)s
  and subject = %(subject)s
  and status in ('pending', 'failed', 'cancelled')
  and persistent_token_id is not null
returning fence, persistent_token_id;

-- name: add_attempt
insert into attempts (task_id, fence, persistent_token_id)
values (%(id)s, %(fence)s, %(persistent_token_id)s);

-- name: set_job
update tasks
set job_id = %(job_id)s
where id = %(id)s
  and fence = %(fence)s;

-- name: claim_status_check
-- One caller at a time asks the vault: often while a consent is awaited, seldom otherwise. A failed token may live
-- again: its person was enabled, and had it checked.
update owners o
set token_checked_at = now()
where o.issuer = %(issuer)s
  and o.subject = %(subject)s
  and o.token_checked_at < now() - interval '1.5 seconds'
  and exists (
      select
      from tasks t
      where t.issuer = o.issuer
        and t.subject = o.subject
        and (t.token_status = 'pending' or t.token_status is not null and o.token_checked_at < now() - interval '15 seconds')
  )
returning true;

-- name: set_token_status
update tasks t
set token_status = coalesce(said.status, 'failed')
from tasks linked
left join unnest(%(ids)s::uuid[], %(statuses)s::text[]) as said (id, status) on said.id = linked.persistent_token_id
where t.id = linked.id
  and linked.issuer = %(issuer)s
  and linked.subject = %(subject)s
  and linked.persistent_token_id is not null
  and linked.token_status is distinct from coalesce(said.status, 'failed');
