-- name: prunings
select through, pruned_at, key_id, mac
from audit_prunings
order by through;

-- name: checkpoints
select number, high, ids, missing, lines, chain, sealed_at, key_id, mac
from audit_seals
order by number;

-- name: lines_of
select a.id, a.at, a.event, a.grant_id, a.issuer, a.subject, a.actor, a.request_id, a.outcome, a.via_id,
       a.via_name, a.task_id, a.attempt, a.reason, a.key_id, a.mac
from unnest(%(ids)s::int8multirange) covered
join audit a on a.id >= lower(covered) and a.id < upper(covered)
order by a.id;

-- name: lines_after
select id, at, event, grant_id, issuer, subject, actor, request_id, outcome, via_id, via_name, task_id, attempt, reason,
       key_id, mac
from audit
where id > %(high)s
   or id = any (%(missing)s)
order by id;

-- name: numbers_up_to
select id
from audit
where id <= %(high)s
order by id;
