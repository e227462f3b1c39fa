-- Run by PostgreSQL's image when the data folder is made: two databases, each with an owner and a runtime role that
-- cannot open the other's.
create role vault_owner login password '${DATABASE_VAULT_OWNER}';
create role vault login password '${DATABASE_VAULT}';
create role tasks_owner login password '${DATABASE_TASKS_OWNER}';
create role tasks login password '${DATABASE_TASKS}';
create database vault owner vault_owner;
create database tasks owner tasks_owner;
revoke connect, temporary on database vault, tasks, postgres, template1 from public;
grant connect on database vault to vault;
grant connect on database tasks to tasks;
