-- name: owns
select
from tasks
where id = %(task_id)s
  and issuer = %(issuer)s
  and subject = %(subject)s;

-- name: runs
select number, status, started_at, completed_at, result, error, progress, reason, wait_reason, next_attempt_at, cause,
       created_at, failures, crashes
from runs
where task_id = %(task_id)s
  and number < %(before)s
order by number desc
limit %(limit)s;

-- name: attempts
select fence, persistent_token_id, queued_at, started_at, ended_at, outcome, error, ticket_id, token_fetched_at,
       token_expires_at, token_scopes
from attempts
where task_id = %(task_id)s
  and run = %(number)s
order by fence desc
limit %(limit)s;

-- name: log
select id, fence, at, level, message
from run_log
where task_id = %(task_id)s
  and run = %(number)s
  and id > %(after)s
order by id
limit %(limit)s;

-- name: write_log
-- Lines of locked runs are left, as with progress (`attempts.sql`). Gives the runs that are there, and whether theirs are written.
with said as (
    select *
    from unnest(%(tasks)s::uuid[], %(runs)s::int[], %(fences)s::bigint[], %(times)s::timestamptz[], %(levels)s::text[],
                %(messages)s::text[])
         with ordinality as said (task_id, number, fence, at, level, message, position)
), free as (
    select r.task_id, r.number
    from runs r
    where (r.task_id, r.number) in (select task_id, number from said)
    for key share of r skip locked
), written as (
    insert into run_log (task_id, run, fence, at, level, message)
    select said.task_id, said.number, said.fence, said.at, said.level, said.message
    from said
    join free using (task_id, number)
    order by said.position
)
select r.task_id, r.number, (r.task_id, r.number) in (select task_id, number from free)
from runs r
where (r.task_id, r.number) in (select task_id, number from said);

-- name: note_access
-- The same for what attempts did with their access.
with said as (
    select *
    from unnest(%(tasks)s::uuid[], %(fences)s::bigint[], %(tickets)s::uuid[], %(fetched)s::timestamptz[],
                %(expires)s::timestamptz[], %(scopes)s::text[])
         as said (task_id, fence, ticket_id, fetched_at, expires_at, scopes)
), free as (
    select a.task_id, a.fence
    from attempts a
    join said using (task_id, fence)
    for no key update of a skip locked
), written as (
    update attempts a
    set ticket_id = said.ticket_id,
        token_fetched_at = coalesce(said.fetched_at, a.token_fetched_at),
        token_expires_at = coalesce(said.expires_at, a.token_expires_at),
        token_scopes = coalesce(string_to_array(said.scopes, ' '), a.token_scopes)
    from said
    join free using (task_id, fence)
    where a.task_id = said.task_id
      and a.fence = said.fence
)
select a.task_id, a.fence, (a.task_id, a.fence) in (select task_id, fence from free)
from attempts a
join said using (task_id, fence);

-- name: remove_old
-- Attempts and logs go with their run. Several workers clean at once without waiting for each other.
delete from runs
where (task_id, number) in (
    select task_id, number
    from runs
    where not latest
      and completed_at < now() - make_interval(days => %(days)s)
    order by completed_at
    limit %(at_most)s
    for update skip locked
)
returning number;
