-- The engine's own schema stands in its package; the runner puts it here: see `adapters.migrate`.
-- Roles: the owner of the schema runs this, the service connects as role "tasks".
grant usage on schema public to tasks;
alter default privileges in schema public grant select, insert, update, delete on tables to tasks;
alter default privileges in schema public grant usage, select on sequences to tasks;
