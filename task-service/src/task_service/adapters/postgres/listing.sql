-- {key}, {beyond} and {direction} are those of the order: see `listing.py`. These statements are never prepared, so that
-- PostgreSQL plans each for its very filter.

-- name: page
select t.id, {key}
from tasks t
left join schedules s on s.task_id = t.id
left join runs r on r.task_id = t.id and r.number = t.last_run
where t.issuer = %(issuer)s
  and t.subject = %(subject)s
  and (%(kind)s::text is null or t.kind = %(kind)s)
  and (%(persistent_token_id)s::uuid is null or t.persistent_token_id = %(persistent_token_id)s)
  and (%(search)s::text is null
       or task_words(t.issuer, t.subject, t.name || ' ' || t.description)
          @@ task_search(%(issuer)s, %(subject)s, %(search)s))
  and (%(schedule)s::text is null
       or case %(schedule)s::text
              when 'any' then s.status is not null
              when 'none' then s.status is null
              when 'standing' then s.status <> 'ended'
              else s.status = %(schedule)s
          end)
  and (%(statuses)s::text[] is null or coalesce(r.status, 'pending') = any (%(statuses)s))
  and (not %(needs_consent)s or t.token_status is distinct from 'active')
  and (%(after)s::text is null or ({key}, t.id) {beyond} (%(after)s::{type}, %(after_id)s::uuid))
order by {key} {direction}, t.id {direction}
limit %(limit)s;

-- name: page_of_states
-- One state after the other through its index, then the first of all. Tokens are looked up one by one: as a join, all
-- tasks would be read.
select found.id, found.created_at
from (
    select run.task_id as id, run.task_created_at as created_at
    from unnest(%(statuses)s::text[]) as wanted (status)
    cross join lateral (
        select r.task_id, r.task_created_at
        from runs r
        where r.issuer = %(issuer)s
          and r.subject = %(subject)s
          and r.status = wanted.status
          and r.latest
          and (not %(needs_consent)s
               or (select t.token_status from tasks t where t.id = r.task_id) is distinct from 'active')
          and (%(after)s::text is null
               or (r.task_created_at, r.task_id) {beyond} (%(after)s::timestamptz, %(after_id)s::uuid))
        order by r.task_created_at {direction}, r.task_id {direction}
        limit %(limit)s
    ) as run
    union all
    (
        select u.task_id, u.created_at
        from unstarted_tasks u
        where u.issuer = %(issuer)s
          and u.subject = %(subject)s
          and 'pending' = any (%(statuses)s::text[])
          and (not %(needs_consent)s
               or (select t.token_status from tasks t where t.id = u.task_id) is distinct from 'active')
          and (%(after)s::text is null
               or (u.created_at, u.task_id) {beyond} (%(after)s::timestamptz, %(after_id)s::uuid))
        order by u.created_at {direction}, u.task_id {direction}
        limit %(limit)s
    )
) as found
order by found.created_at {direction}, found.id {direction}
limit %(limit)s;

-- name: last_runs
-- The states of the last runs of each task, the latest first: each by the primary key, so many of each at most.
select wanted.id, array(
    select r.status
    from runs r
    where r.task_id = wanted.id
    order by r.number desc
    limit %(most)s
)
from unnest(%(ids)s::uuid[]) as wanted (id);

-- name: count_after
select count(*)
from (
    select
    from tasks t
    where t.issuer = %(issuer)s
      and t.subject = %(subject)s
      and ({key}, t.id) {beyond} (%(after)s::{type}, %(after_id)s::uuid)
    limit 100000
) as counted;

-- name: counts
-- The tasks; of their latest runs those waiting, queued or running, running, completed, failed, cancelled.
select coalesce(sum(tasks), 0), coalesce(sum(waiting), 0), coalesce(sum(at_work), 0),
       (
           select count(*)
           from runs
           where issuer = %(issuer)s
             and subject = %(subject)s
             and status = 'running'
       ),
       coalesce(sum(completed), 0), coalesce(sum(failed), 0), coalesce(sum(cancelled), 0)
from list_versions
where issuer = %(issuer)s
  and subject = %(subject)s;

-- name: standing
-- The tasks that need their person's consent, and those with a schedule that has not ended; so many of each at most.
select (
           select count(*)
           from (
               select
               from (
                   select task_id
                   from runs
                   where issuer = %(issuer)s
                     and subject = %(subject)s
                     and status in ('failed', 'cancelled')
                     and latest
                   union all
                   select task_id
                   from unstarted_tasks
                   where issuer = %(issuer)s
                     and subject = %(subject)s
               ) as still
               where (select t.token_status from tasks t where t.id = still.task_id) is distinct from 'active'
               limit %(most)s
           ) as counted
       ),
       (
           select count(*)
           from (
               select
               from schedules
               where issuer = %(issuer)s
                 and subject = %(subject)s
                 and status in ('active', 'paused', 'stopped')
               limit %(most)s
           ) as counted
       );

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
