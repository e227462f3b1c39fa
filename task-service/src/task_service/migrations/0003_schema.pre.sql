-- Which migrations there are: a service looks before it starts.
grant select on schema_migrations to tasks;
