-- Task and run become two nouns: `tasks` keeps the definition, `runs` has each wish to have it done.
--
-- While the version before this one is still at work, it reads and writes the run's columns in `tasks`. Two triggers
-- keep both in step: `tasks_to_runs` carries over what old code writes, `runs_to_tasks` what new code writes. Each
-- writes only what differs, so neither answers the other. The migrations after the roll-out remove them.
--
-- Rows are carried over in migrations of their own, so that tables are locked for moments here. A task that old code
-- writes before it was carried over is carried over by that trigger.
--
-- Old code locks a task before its run, new workers a run before its task. Where both meet on one task (an old API
-- deletes what a new worker is writing), PostgreSQL may end one of the two with a deadlock error: the API answers 503
-- with Retry-After, a worker's attempt is queued again by the sweep. Nothing is lost and neither side waits.

alter table tasks
    add column kind       text not null default 'demo' check (kind ~ '^[a-z][a-z0-9_.-]{0,62}$'),
    add column parameters jsonb not null default '{}'
                          check (jsonb_typeof(parameters) = 'object' and octet_length(parameters::text) <= 65536),
    add column last_run   integer not null default 0;

-- cause: who wished for it. fence: that of its latest attempt; a write with an older one changes nothing.
-- job_id: the engine's job; null while a run under way has none, which the sweep mends.
-- issuer and subject are the task's: owners' runs are counted and compared without their tasks.
create table runs (
    task_id      uuid not null references tasks on delete cascade,
    number       integer not null check (number > 0),
    issuer       text not null,
    subject      text not null,
    cause        text not null check (cause in ('user', 'schedule', 'dependency', 'batch')),
    status       text not null
                 check (status in ('waiting', 'queued', 'running', 'completed', 'failed', 'cancelled')),
    wait_reason  text check (wait_reason in ('dependency', 'retry', 'grant')),
    fence        bigint not null,
    crashes      smallint not null default 0,
    job_id       bigint,
    progress     smallint check (progress between 0 and 100),
    result       text,
    error        text,
    created_at   timestamptz not null default now(),
    started_at   timestamptz,
    completed_at timestamptz,
    primary key (task_id, number),
    check ((status = 'waiting') = (wait_reason is not null))
) with (fillfactor = 80); -- room for progress beside its row: such an update touches no index

create index runs_running on runs (issuer, subject) where status = 'running';
create index runs_of_job on runs (job_id) where status in ('queued', 'running');
create index runs_without_job on runs (task_id) where status in ('queued', 'running') and job_id is null;
create index jobs_without_worker on procrastinate_jobs (id) where status = 'doing' and worker_id is null;
create index tasks_linked on tasks (issuer, subject, token_status) where token_status is not null;

alter table attempts
    add column run integer,
    drop constraint attempts_outcome_check,
    add constraint attempts_outcome_check
        check (outcome in ('completed', 'failed', 'token_failed', 'requeued', 'crashed', 'cancelled'));

grant select, insert, update, delete on runs to tasks;

-- A task's runs so far, from the task as old code left it and from its attempts, if that was not done before; the
-- number of the latest. Attempts of a run follow one another by fence. A new run begins after an attempt that ended the
-- run, or after a gap: the fence of a run that failed for its crashes has no attempt. How runs before the latest ended
-- is known, their words are not.
create function adopt_runs(task tasks) returns integer language plpgsql as $$
declare
    latest integer;
begin
    if task.status = 'pending' or task.last_run > 0 then
        return task.last_run;
    end if;
    update attempts a
    set run = numbered.run
    from (
        select fence, count(*) filter (where begins) over (order by fence) as run
        from (
            select fence,
                   lag(fence) over earlier is null
                   or lag(fence) over earlier <> fence - 1
                   or lag(outcome) over earlier in ('completed', 'failed', 'token_failed') as begins
            from attempts
            where task_id = task.id
            window earlier as (order by fence)
        ) as marked
    ) as numbered
    where a.task_id = task.id
      and a.fence = numbered.fence;
    latest := greatest(1, (select max(run) from attempts where task_id = task.id));
    insert into runs (task_id, number, issuer, subject, cause, status, fence, crashes, created_at, started_at,
                      completed_at)
    select task.id, run, task.issuer, task.subject, 'user',
           case when bool_or(outcome = 'completed') then 'completed' else 'failed' end,
           max(fence), count(*) filter (where outcome = 'crashed'), min(queued_at), max(started_at), max(ended_at)
    from attempts
    where task_id = task.id
      and run < latest
    group by run;
    insert into runs (task_id, number, issuer, subject, cause, status, fence, crashes, job_id, progress, result, error,
                      created_at, started_at, completed_at)
    values (task.id, latest, task.issuer, task.subject, 'user', task.status, task.fence, task.crashes, task.job_id,
            task.progress, task.result, task.error,
            coalesce((select min(queued_at) from attempts where task_id = task.id and run = latest), task.created_at),
            task.started_at, task.completed_at);
    update tasks set last_run = latest where id = task.id;
    return latest;
end
$$;

-- What old code writes.
create function tasks_to_runs() returns trigger language plpgsql as $$
declare
    last integer := adopt_runs(old);
begin
    if new.status = 'queued' and not exists (
        select
        from runs
        where task_id = new.id
          and number = last
          and status in ('waiting', 'queued', 'running')
    ) then
        update tasks set last_run = last + 1 where id = new.id;
        insert into runs (task_id, number, issuer, subject, cause, status, fence, crashes, job_id, progress, result,
                          error, started_at, completed_at)
        values (new.id, last + 1, new.issuer, new.subject, 'user', new.status, new.fence, new.crashes,
                new.job_id, new.progress, new.result, new.error, new.started_at, new.completed_at);
    else
        update runs
        set status = new.status, wait_reason = null, fence = new.fence, crashes = new.crashes, job_id = new.job_id,
            progress = new.progress, result = new.result, error = new.error, started_at = new.started_at,
            completed_at = new.completed_at
        where task_id = new.id
          and number = last;
    end if;
    return null;
end
$$;
create trigger tasks_to_runs
    after update of status, fence, crashes, job_id, progress, result, error, started_at, completed_at on tasks
    for each row when (pg_trigger_depth() = 0) execute function tasks_to_runs();

-- What new code writes. Old code knows no `waiting`: to it the task is pending, which no sweep of its touches.
create function runs_to_tasks() returns trigger language plpgsql as $$
declare
    shown text := case new.status when 'waiting' then 'pending' else new.status end;
begin
    update tasks
    set status = shown, fence = new.fence, crashes = new.crashes, job_id = new.job_id, progress = new.progress,
        result = new.result, error = new.error, started_at = new.started_at, completed_at = new.completed_at
    where id = new.task_id
      and last_run = new.number
      and (status, fence, crashes, job_id, progress, result, error, started_at, completed_at)
          is distinct from (shown, new.fence, new.crashes, new.job_id, new.progress, new.result, new.error,
                            new.started_at, new.completed_at);
    return null;
end
$$;
create trigger runs_to_tasks after insert or update on runs
    for each row execute function runs_to_tasks();

create function attempts_name_their_run() returns trigger language plpgsql as $$
begin
    new.run := (select last_run from tasks where id = new.task_id);
    return new;
end
$$;
create trigger attempts_name_their_run before insert on attempts
    for each row when (new.run is null) execute function attempts_name_their_run();

-- The version of an owner's list is the sum of its rows here. Connections that work for the same owner at once count in
-- different rows, so none waits for another's commit. Progress and the begin of a run are not counted: see
-- `list_version` in adapters/postgres/tasks.sql. Old code reads `owners.version`, which no longer grows with `last_run`.
create table list_versions (
    issuer  text not null,
    subject text not null,
    slot    smallint not null,
    version bigint not null,
    primary key (issuer, subject, slot)
) with (fillfactor = 50);
grant select, insert, update, delete on list_versions to tasks;

create function bump_list_version() returns trigger language plpgsql as $$
begin
    insert into list_versions (issuer, subject, slot, version)
    values (coalesce(new.issuer, old.issuer), coalesce(new.subject, old.subject), pg_backend_pid() % 16, 1)
    on conflict (issuer, subject, slot) do update set version = list_versions.version + 1;
    return null;
end
$$;
create trigger tasks_bump_version
    after insert or delete or update of name, description, kind, parameters, persistent_token_id, token_status on tasks
    for each row execute function bump_list_version();
create trigger runs_begin_version after insert on runs
    for each row execute function bump_list_version();
create trigger runs_change_version after update of status, wait_reason on runs
    for each row when (new.status <> 'running') execute function bump_list_version();

drop trigger tasks_change_version on tasks;
create trigger tasks_change_version
    after insert or delete or update of name, description, persistent_token_id, token_status, status, progress, result,
        error, started_at, completed_at on tasks
    for each row execute function bump_owner_version();

-- A job that the engine gives up or removes leaves its run without one, so that the sweep need not look for it.
create function runs_lose_their_job() returns trigger language plpgsql as $$
begin
    update runs set job_id = null where job_id = old.id and status in ('queued', 'running');
    return null;
end
$$;
create trigger runs_lose_their_job after delete on procrastinate_jobs
    for each row execute function runs_lose_their_job();
create trigger runs_lose_their_ended_job after update of status on procrastinate_jobs
    for each row when (new.status in ('succeeded', 'failed', 'cancelled', 'aborted'))
    execute function runs_lose_their_job();
