-- A task that depends on others runs when all of them have completed since its last run.
--
-- seen_run: the number of the run of `depends_on` that the task has taken into account: it began with its result, or ended
-- with its failure. A later run is news.
create table dependencies (
    task_id    uuid not null references tasks on delete cascade,
    depends_on uuid not null references tasks on delete cascade,
    seen_run   integer not null default 0,
    primary key (task_id, depends_on),
    check (task_id <> depends_on)
);
create index dependents on dependencies (depends_on);

-- Tasks whose dependencies have to be looked at, since a run that matters to them has ended. reason: why their own waiting
-- run cannot go on, if that is known already. Workers remove the rows. It has no foreign key: a worker that ends a run must
-- not wait for somebody who holds a dependent task.
create table dependency_news (
    id      bigint generated always as identity primary key,
    task_id uuid not null,
    reason  text
);
create index dependency_news_of_task on dependency_news (task_id);

create function ended_run_is_news() returns trigger language plpgsql as $$
begin
    insert into dependency_news (task_id)
    select d.task_id from dependencies d where d.depends_on = new.task_id
    union
    select d.task_id from dependencies d where d.task_id = new.task_id;
    return null;
end
$$;
create trigger ended_run_is_news after update of status on runs
    for each row when (new.status in ('completed', 'failed', 'cancelled'))
    execute function ended_run_is_news();

create function deleted_task_is_news() returns trigger language plpgsql as $$
begin
    insert into dependency_news (task_id, reason)
    select d.task_id, format('Task "%s", on which this task depended, was deleted.', old.name)
    from dependencies d
    where d.depends_on = old.id;
    delete from dependency_news where task_id = old.id;
    return old;
end
$$;
create trigger deleted_task_is_news before delete on tasks
    for each row execute function deleted_task_is_news();
