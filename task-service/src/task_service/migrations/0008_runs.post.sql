-- `tasks` loses the columns of the run, and what kept them in step with `runs`.
lock table tasks, runs, attempts in access exclusive mode;

drop trigger tasks_to_runs on tasks;
drop trigger attempts_name_their_run on attempts;
drop trigger tasks_change_version on tasks;
drop function tasks_to_runs, attempts_name_their_run, adopt_runs;

alter table tasks
    drop column status,
    drop column result,
    drop column error,
    drop column progress,
    drop column fence,
    drop column crashes,
    drop column job_id,
    drop column started_at,
    drop column completed_at; -- index tasks_under_way goes with its column

alter table attempts
    alter column run set not null,
    add foreign key (task_id, run) references runs on delete cascade;

-- A task's definition is seen by its owner; the number of its latest run is seen through `runs`.
create trigger tasks_change_version
    after insert or delete or update of name, description, kind, parameters, persistent_token_id, token_status on tasks
    for each row execute function bump_owner_version();

-- Old workers swept by jobs of their own; the last one is left when they have gone.
delete from procrastinate_jobs where queue_name = 'maintenance';
