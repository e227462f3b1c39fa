-- When a task runs by itself: once at a time, or by a cron expression in a time zone.
--
-- next_run_at: set exactly while the schedule is active. held: a run is due, and waits for the one under way to end.
-- last_run_at: the time for which the last run was made; missed_at: the last time at which none was made, because the task
-- was still under way or had no usable offline token. Who changes a schedule locks its task first.
create table schedules (
    task_id     uuid primary key references tasks on delete cascade,
    issuer      text not null,
    subject     text not null,
    cron        text check (char_length(cron) <= 100),
    run_at      timestamptz,
    timezone    text not null,
    overlap     text not null check (overlap in ('skip', 'queue')),
    status      text not null check (status in ('active', 'paused', 'ended', 'stopped')),
    stop_reason text check (stop_reason in ('token_failed', 'never_again')),
    next_run_at timestamptz,
    held        boolean not null default false,
    last_run_at timestamptz,
    missed_at   timestamptz,
    check ((cron is null) <> (run_at is null)),
    check ((status = 'active') = (next_run_at is not null)),
    check ((status = 'stopped') = (stop_reason is not null)),
    check (status = 'active' or not held)
);
create index schedules_due on schedules (next_run_at) where status = 'active' and not held;
create index schedules_of_owner on schedules (issuer, subject, status);

create function schedules_change_list() returns trigger language plpgsql as $$
begin
    perform change_list(coalesce(new.issuer, old.issuer), coalesce(new.subject, old.subject), 0, null, null);
    return null;
end
$$;
create trigger schedules_change_list after insert or update or delete on schedules
    for each row execute function schedules_change_list();

-- Whoever learns that a token gives no access any more (a worker, or its owner's list) ends the task's schedule with it.
create function failed_token_stops_schedule() returns trigger language plpgsql as $$
begin
    update schedules
    set status = 'stopped', stop_reason = 'token_failed', next_run_at = null, held = false
    where task_id = new.id
      and status = 'active';
    return null;
end
$$;
create trigger failed_token_stops_schedule after update of token_status on tasks
    for each row when (new.token_status = 'failed' and old.token_status is distinct from 'failed')
    execute function failed_token_stops_schedule();

-- A run that was held comes due when the one before it has ended.
create function ended_run_frees_schedule() returns trigger language plpgsql as $$
begin
    update schedules set held = false where task_id = new.task_id and held;
    return null;
end
$$;
create trigger ended_run_frees_schedule after update of status on runs
    for each row when (new.status in ('completed', 'failed', 'cancelled'))
    execute function ended_run_frees_schedule();
