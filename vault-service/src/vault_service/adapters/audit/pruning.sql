-- name: last_pruning
select through
from audit_prunings
order by through desc
limit 1;

-- name: prunable
-- Never the last checkpoint: the chain continues from its lines.
select number, ids, lines
from audit_seals
where sealed_at < %(before)s
  and number > %(after)s
  and number < %(last)s
order by number;

-- name: remove_lines
delete from audit a
using unnest(%(ids)s::int8multirange) covered
where a.id >= lower(covered)
  and a.id < upper(covered);

-- name: add_pruning
insert into audit_prunings (through, pruned_at, key_id, mac)
values (%(through)s, %(pruned_at)s, %(key_id)s, %(mac)s);
