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

-- name: hold_runs
-- Which runs are there, and which of them are held until the lines are written: those that nobody else has locked.
-- The log of a worker's other attempts does not wait for one forgotten transaction.
with said as (
    select distinct task_id, number
    from unnest(%(tasks)s::uuid[], %(runs)s::int[]) as said (task_id, number)
), held as (
    select r.task_id, r.number
    from runs r
    join said on said.task_id = r.task_id and said.number = r.number
    for key share of r skip locked
)
select r.task_id, r.number, held.number is not null
from runs r
join said on said.task_id = r.task_id and said.number = r.number
left join held on held.task_id = r.task_id and held.number = r.number;

-- name: hold_attempts
-- The same for the notes of attempts.
with said as (
    select task_id, fence
    from unnest(%(tasks)s::uuid[], %(fences)s::bigint[]) as said (task_id, fence)
), held as (
    select a.task_id, a.fence
    from attempts a
    join said on said.task_id = a.task_id and said.fence = a.fence
    for no key update of a skip locked
)
select a.task_id, a.fence, held.fence is not null
from attempts a
join said on said.task_id = a.task_id and said.fence = a.fence
left join held on held.task_id = a.task_id and held.fence = a.fence;

-- name: write_log
insert into run_log (task_id, run, fence, at, level, message)
select said.task_id, said.run, said.fence, said.at, said.level, said.message
from unnest(%(tasks)s::uuid[], %(runs)s::int[], %(fences)s::bigint[], %(times)s::timestamptz[], %(levels)s::text[],
            %(messages)s::text[])
     with ordinality as said (task_id, run, fence, at, level, message, position)
join runs r on r.task_id = said.task_id and r.number = said.run
order by said.position;

-- name: note_access
update attempts a
set ticket_id = said.ticket_id,
    token_fetched_at = coalesce(said.fetched_at, a.token_fetched_at),
    token_expires_at = coalesce(said.expires_at, a.token_expires_at),
    token_scopes = coalesce(string_to_array(said.scopes, ' '), a.token_scopes)
from unnest(%(tasks)s::uuid[], %(fences)s::bigint[], %(tickets)s::uuid[], %(fetched)s::timestamptz[],
            %(expires)s::timestamptz[], %(scopes)s::text[])
     as said (task_id, fence, ticket_id, fetched_at, expires_at, scopes)
where a.task_id = said.task_id
  and a.fence = said.fence;

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
