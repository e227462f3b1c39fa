-- When the owner last had a grant checked at the authorization server: once a minute at most.
alter table grants add column checked_at timestamptz;

-- Which migrations there are: a service looks before it starts.
grant select on schema_migrations to vault;
