-- name: all_keys
select id, purpose, state, wrapped
from sealing_keys
order by id;

-- name: versions
select id, purpose, state, created_at, extract(epoch from now() - inactive_since)::float8
from sealing_keys
order by id;

-- name: lock_first
-- The service may create the first keys only, and may not lock the table.
select pg_advisory_xact_lock(-4230012);

-- name: lock
-- One process changes keys at a time. They can be read meanwhile.
lock table sealing_keys in share row exclusive mode;

-- name: deactivate
-- Two first starts at once add the same id, so the second adds nothing. A rotation adds a higher id.
update sealing_keys
set state = 'retiring', inactive_since = now()
where purpose = %(purpose)s
  and state = 'active'
  and id < %(id)s;

-- name: add_key
insert into sealing_keys (id, purpose, state, wrapped)
values (%(id)s, %(purpose)s, 'active', %(wrapped)s)
on conflict do nothing;

-- name: retire
update sealing_keys
set state = 'retired', wrapped = null
where id = %(id)s
  and state = 'retiring'
returning true;

-- name: wrapped_keys
select id, purpose, wrapped
from sealing_keys
where wrapped is not null
order by id;

-- name: rewrap_key
update sealing_keys
set wrapped = %(wrapped)s
where id = %(id)s;
