-- name: hold_owner
-- Dependencies of one owner are changed one after the other, so that two changes together make no cycle.
select
from owners
where issuer = %(issuer)s
  and subject = %(subject)s
for no key update;

-- name: owned_among
select id
from tasks
where id = any (%(ids)s)
  and issuer = %(issuer)s
  and subject = %(subject)s;

-- name: cycle
-- One of the tasks that depends on the task already, directly or not.
with recursive upstream (id) as (
    select unnest(%(ids)s::uuid[])
    union
    select d.depends_on
    from upstream u
    join dependencies d on d.task_id = u.id
)
select id
from upstream
where id = %(task_id)s;

-- name: remove_others
delete from dependencies
where task_id = %(task_id)s
  and depends_on <> all (%(ids)s);

-- name: add
-- A run of theirs that has ended before is taken into account: only later ones start the task.
insert into dependencies (task_id, depends_on, seen_run)
select %(task_id)s, t.id, case when r.status in ('completed', 'failed', 'cancelled') then t.last_run else greatest(t.last_run - 1, 0) end
from tasks t
left join runs r on r.task_id = t.id and r.number = t.last_run
where t.id = any (%(ids)s)
on conflict do nothing;

-- name: of_task
select d.depends_on, u.name, coalesce(r.status, 'pending'), u.last_run, d.seen_run
from dependencies d
join tasks u on u.id = d.depends_on
left join runs r on r.task_id = u.id and r.number = u.last_run
where d.task_id = %(task_id)s
order by u.created_at, u.id;

-- name: see
update dependencies d
set seen_run = u.last_run
from tasks u
where d.task_id = %(task_id)s
  and d.depends_on = any (%(ids)s)
  and u.id = d.depends_on
  and d.seen_run <> u.last_run;

-- name: news
-- The tasks for which there is news, each once; a task that another worker looks at is left to it.
select t.id, t.issuer, t.subject, t.persistent_token_id, t.token_status, t.last_run
from tasks t
where t.id in (select n.task_id from dependency_news n)
limit %(at_most)s
for no key update of t skip locked;

-- name: forget_deleted
delete from dependency_news n
where not exists (select from tasks t where t.id = n.task_id);

-- name: take_news
delete from dependency_news
where task_id = %(task_id)s
returning reason;

-- name: waiting_run
select status, wait_reason, fence
from runs
where task_id = %(task_id)s
  and number = %(number)s;

-- name: release
update runs
set status = 'queued', wait_reason = null, reason = null, fence = fence + 1
where task_id = %(task_id)s
  and number = %(number)s
  and status = 'waiting'
  and wait_reason = 'dependency'
returning fence;

-- name: fail_waiting
update runs
set status = 'failed', wait_reason = null, reason = null, error = %(reason)s, completed_at = now()
where task_id = %(task_id)s
  and number = %(number)s
  and status = 'waiting'
  and wait_reason = 'dependency'
returning number;

-- name: graph
-- What is upstream and what is downstream of the task, up to a limit; one more tells that there is more.
with recursive upstream (id) as (
    select %(task_id)s::uuid
    union
    select d.depends_on
    from upstream u
    join dependencies d on d.task_id = u.id
), downstream (id) as (
    select %(task_id)s::uuid
    union
    select d.task_id
    from downstream u
    join dependencies d on d.depends_on = u.id
), found as (
    (select id from upstream limit %(limit)s)
    union
    (select id from downstream limit %(limit)s)
)
select t.id, t.name, coalesce(r.status, 'pending')
from found f
join tasks t on t.id = f.id
left join runs r on r.task_id = t.id and r.number = t.last_run
order by t.id = %(task_id)s desc, t.created_at, t.id
limit %(limit)s;

-- name: edges
select task_id, depends_on
from dependencies
where task_id = any (%(ids)s)
  and depends_on = any (%(ids)s)
order by task_id, depends_on;
