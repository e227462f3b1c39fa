-- name: alone
-- One sealer at a time; the others have nothing to do.
select pg_try_advisory_xact_lock(-4230011);

-- name: last_seal
select number, high, ids, missing, lines, chain, sealed_at, key_id, mac
from audit_seals
order by number desc
limit 1;

-- name: unsealed
select id, mac, event, grant_id, at
from audit
where id > %(high)s
   or id = any (%(missing)s)
order by id
limit %(limit)s;

-- name: lag
select greatest(extract(epoch from now() - at), 0)::float8
from audit
where id > coalesce((select high from audit_seals order by number desc limit 1), 0)
order by id
limit 1;

-- name: add_seal
insert into audit_seals (number, high, ids, missing, lines, chain, sealed_at, key_id, mac)
values (%(number)s, %(high)s, %(ids)s, %(missing)s, %(lines)s, %(chain)s, %(sealed_at)s, %(key_id)s, %(mac)s);

-- name: count_uses
insert into grant_uses as known (grant_id, uses, last_used_at)
select * from unnest(%(grants)s::uuid[], %(uses)s::bigint[], %(last)s::timestamptz[])
on conflict (grant_id) do update
set uses = known.uses + excluded.uses,
    last_used_at = greatest(known.last_used_at, excluded.last_used_at);

-- name: all_seals
select number, high, ids, missing, lines, chain, sealed_at, key_id, mac
from audit_seals
order by number;

-- name: lines_of
select a.id, a.at, a.event, a.grant_id, a.issuer, a.subject, a.actor, a.request_id, a.outcome, a.key_id, a.mac
from unnest(%(ids)s::int8multirange) covered
join audit a on a.id >= lower(covered) and a.id < upper(covered)
order by a.id;

-- name: numbers_up_to
select id
from audit
where id <= %(high)s
order by id;

-- name: lines_after
select id, at, event, grant_id, issuer, subject, actor, request_id, outcome, key_id, mac
from audit
where id > %(high)s
   or id = any (%(missing)s)
order by id;

-- name: prunings
select through, pruned_at, key_id, mac
from audit_prunings
order by through;

-- name: prunable
select number, ids
from audit_seals
where sealed_at < %(before)s
  and number > %(through)s
order by number;

-- name: remove_lines
delete from audit a
using unnest(%(ids)s::int8multirange) covered
where a.id >= lower(covered)
  and a.id < upper(covered);

-- name: add_pruning
insert into audit_prunings (through, pruned_at, key_id, mac)
values (%(through)s, %(pruned_at)s, %(key_id)s, %(mac)s);
