-- name: excess_privileges
-- What the service's role may do to the audit beyond adding lines.
select coalesce(string_agg(privilege, ', '), '')
from (
    select privilege
    from unnest(array['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) privilege
    where has_table_privilege('audit', privilege)
    union all
    select 'INSERT ids'
    where has_column_privilege('audit', 'id', 'INSERT')
) excess;

-- name: is_durable
select current_setting('fsync') = 'on'
   and current_setting('synchronous_commit') <> 'off';

-- name: clock
select extract(epoch from clock_timestamp())::float8;

-- name: oldest_revocation
select coalesce(extract(epoch from now() - min(created_at)), 0)::float8
from revocations
where done_at is null;

-- name: checkpoint_lag
select coalesce(extract(epoch from now() - min(at)), 0)::float8
from audit
where id > coalesce((select max(high) from audit_seals), 0);
