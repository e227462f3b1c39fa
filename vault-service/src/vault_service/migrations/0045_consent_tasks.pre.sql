-- One consent for many tasks: task_id is the first of them, as old code knows it, other_task_ids are the rest.
alter table grants add column other_task_ids text[] not null default '{}';
