-- Task and run become two nouns: `tasks` keeps the definition, `runs` has each wish to have it done.
--
-- While the version before this one is still at work, it reads and writes the run's columns in `tasks`. Two triggers
-- keep both in step: `tasks_to_runs` carries over what old code writes, `runs_to_tasks` what new code writes. Each
-- writes only what differs, so neither answers the other. 0005 and 0006 remove them with the old columns.
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

-- The list's version need not grow for each row that is only moved.
alter table tasks disable trigger tasks_change_version;

-- The history so far. A run's attempts follow one another by fence; a new run begins after one that ended the run, or
-- after a gap: the fence of a run that failed for its crashes has no attempt.
update attempts a
set run = numbered.run
from (
    select task_id, fence, count(*) filter (where begins) over (partition by task_id order by fence) as run
    from (
        select task_id, fence,
               lag(fence) over earlier is null
               or lag(fence) over earlier <> fence - 1
               or lag(outcome) over earlier in ('completed', 'failed', 'token_failed') as begins
        from attempts
        window earlier as (partition by task_id order by fence)
    ) as marked
) as numbered
where a.task_id = numbered.task_id
  and a.fence = numbered.fence;

update tasks t
set last_run = greatest(1, (select max(a.run) from attempts a where a.task_id = t.id))
where t.status <> 'pending';

-- Runs before the latest: how they ended is known, their words are not.
insert into runs (task_id, number, issuer, subject, cause, status, fence, crashes, created_at, started_at, completed_at)
select t.id, a.run, t.issuer, t.subject, 'user',
       case when bool_or(a.outcome = 'completed') then 'completed' else 'failed' end,
       max(a.fence), count(*) filter (where a.outcome = 'crashed'), min(a.queued_at), max(a.started_at), max(a.ended_at)
from attempts a
join tasks t on t.id = a.task_id
where a.run < t.last_run
group by t.id, a.run;

insert into runs (task_id, number, issuer, subject, cause, status, fence, crashes, job_id, progress, result, error,
                  created_at, started_at, completed_at)
select t.id, t.last_run, t.issuer, t.subject, 'user', t.status, t.fence, t.crashes, t.job_id, t.progress, t.result,
       t.error, coalesce(first.queued_at, t.started_at, t.created_at), t.started_at, t.completed_at
from tasks t
left join lateral (
    select min(a.queued_at) as queued_at
    from attempts a
    where a.task_id = t.id
      and a.run = t.last_run
) as first on true
where t.last_run > 0;

alter table tasks enable trigger tasks_change_version;

-- What old code writes.
create function tasks_to_runs() returns trigger language plpgsql as $$
declare
    latest runs;
begin
    select * into latest from runs where task_id = new.id and number = new.last_run;
    if new.status = 'queued' and (latest is null or latest.status in ('completed', 'failed', 'cancelled')) then
        update tasks set last_run = last_run + 1 where id = new.id;
        insert into runs (task_id, number, issuer, subject, cause, status, fence, crashes, job_id, progress, result,
                          error, started_at, completed_at)
        values (new.id, new.last_run + 1, new.issuer, new.subject, 'user', new.status, new.fence, new.crashes,
                new.job_id, new.progress, new.result, new.error, new.started_at, new.completed_at);
    else
        update runs
        set status = new.status, wait_reason = null, fence = new.fence, crashes = new.crashes, job_id = new.job_id,
            progress = new.progress, result = new.result, error = new.error, started_at = new.started_at,
            completed_at = new.completed_at
        where task_id = new.id
          and number = new.last_run;
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

-- The list's version: see `list_version` in adapters/postgres/tasks.sql. Progress and the begin of a run leave it alone.
create trigger runs_begin_version after insert on runs
    for each row execute function bump_owner_version();
create trigger runs_change_version after update of status, wait_reason on runs
    for each row when (new.status <> 'running') execute function bump_owner_version();

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
