-- name: alone
-- One process writes checkpoints at a time; the others skip their turn.
select pg_try_advisory_xact_lock(-4230011);

-- name: alone_at_last
-- For a caller who must not miss lines that another process is covering now. The session's lock time-out is the limit.
select true from pg_advisory_xact_lock(-4230011);

-- name: checkpoints_before
-- `audit_seals` is the table of checkpoints. It has kept its first name, so that old versions can run beside new ones.
select number, high, ids, missing, lines, chain, sealed_at, key_id, mac, writers
from audit_seals
where (%(before)s::bigint is null or number < %(before)s)
order by number desc
limit %(limit)s;

-- name: checkpoints_after
select number, high, ids, missing, lines, chain, sealed_at, key_id, mac, writers
from audit_seals
where number > %(after)s
order by number
limit %(limit)s;

-- name: uncovered
-- A line whose number is ahead of the sequence did not get it from there: it would hide all lines that come after it.
select id, mac, event, grant_id, at, via_id, writer_id, writer_seq, writer_mark
from audit
where id > %(high)s and id <= (
       select coalesce(max(coalesce(last_value, 0)), 9223372036854775807)
       from pg_sequences
       where sequencename = 'audit_id_seq'
   )
   or id = any (%(missing)s)
order by id
limit %(limit)s;

-- name: lag
select greatest(extract(epoch from now() - at), 0)::float8
from audit
where id > coalesce((select high from audit_seals order by number desc limit 1), 0)
order by id
limit 1;

-- name: add_checkpoint
insert into audit_seals (number, high, ids, missing, lines, chain, sealed_at, key_id, mac, writers)
values (%(number)s, %(high)s, %(ids)s, %(missing)s, %(lines)s, %(chain)s, %(written_at)s, %(key_id)s, %(mac)s,
        %(writers)s::jsonb);

-- name: count_uses
insert into grant_uses as known (grant_id, uses, last_used_at)
select * from unnest(%(ids)s::uuid[], %(uses)s::bigint[], %(last)s::timestamptz[])
on conflict (grant_id) do update
set uses = known.uses + excluded.uses,
    last_used_at = greatest(known.last_used_at, excluded.last_used_at);

-- name: count_ticket_uses
update tickets t
set recorded_uses = t.recorded_uses + counted.uses,
    last_used_at = greatest(t.last_used_at, counted.last)
from unnest(%(ids)s::uuid[], %(uses)s::bigint[], %(last)s::timestamptz[]) counted (id, uses, last)
where t.id = counted.id;
