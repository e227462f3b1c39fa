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

-- `owners` keeps the time of the last status check; the list's version is in `list_versions`.
drop function bump_owner_version;
alter table owners drop column version;
create function add_owner() returns trigger language plpgsql as $$
begin
    insert into owners (issuer, subject) values (new.issuer, new.subject) on conflict do nothing;
    return null;
end
$$;
create trigger tasks_add_owner after insert on tasks
    for each row execute function add_owner();

-- Old workers swept by jobs of their own; the last one is left when they have gone.
delete from procrastinate_jobs where queue_name = 'maintenance';
