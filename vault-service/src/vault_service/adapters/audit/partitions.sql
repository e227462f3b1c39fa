-- name: partitions
-- The bounds as PostgreSQL writes them: FOR VALUES FROM ('1') TO ('2'), with MINVALUE and MAXVALUE.
select c.relname, pg_get_expr(c.relpartbound, c.oid)
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'audit'::regclass;

-- name: lines_of_a_day
select coalesce(sum(lines), 0)::bigint
from audit_seals
where sealed_at > now() - interval '1 day';

-- name: last_number
select case when is_called then last_value else last_value - 1 end
from audit_id_seq;

-- name: first_kept
-- The lowest number under a checkpoint that stays with its lines.
select min(lower(ids))
from audit_seals
where number > %(through)s;
