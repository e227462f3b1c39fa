-- name: all_keys
select id, purpose, state, wrapped
from sealing_keys
order by id;

-- name: add_key
insert into sealing_keys (id, purpose, state, wrapped)
values (%(id)s, %(purpose)s, 'active', %(wrapped)s)
on conflict do nothing;
