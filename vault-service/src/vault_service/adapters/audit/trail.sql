-- name: prunings
select through, pruned_at, key_id, mac
from audit_prunings
order by through;

-- name: checkpoints
select number, high, ids, missing, lines, chain, sealed_at, key_id, mac, writers
from audit_seals
where (%(after)s::bigint is null or number > %(after)s)
order by number
limit %(limit)s;

-- name: lines_of
-- Range by range: `offset 0` keeps the planner from one join over the whole audit, which would be read for each checkpoint.
select a.id, a.at, a.event, a.grant_id, a.issuer, a.subject, a.actor, a.request_id, a.outcome, a.via_id,
       a.via_name, a.task_id, a.attempt, a.reason, a.writer_id, a.writer_seq, a.writer_mark, a.key_id, a.mac
from unnest(%(ids)s::int8multirange) covered
cross join lateral (
    select id, at, event, grant_id, issuer, subject, actor, request_id, outcome, via_id, via_name, task_id, attempt, reason,
           writer_id, writer_seq, writer_mark, key_id, mac
    from audit
    where id >= lower(covered)
      and id < upper(covered)
    offset 0
) a
order by a.id;

-- name: lines_after
select id, at, event, grant_id, issuer, subject, actor, request_id, outcome, via_id, via_name, task_id, attempt, reason,
       writer_id, writer_seq, writer_mark, key_id, mac
from audit
where (id > %(high)s or id = any (%(missing)s))
  and (%(after)s::bigint is null or id > %(after)s)
order by id
limit %(limit)s;

-- name: numbers_up_to
select id
from audit
where id <= %(high)s
  and (%(after)s::bigint is null or id > %(after)s)
order by id
limit %(limit)s;

-- name: last_number
-- Without a sequence every number is from elsewhere, and nothing can be told.
select coalesce(max(coalesce(last_value, 0)), 9223372036854775807)
from pg_sequences
where sequencename = 'audit_id_seq';
