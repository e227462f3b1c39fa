-- The list's counters change once for each statement, not once for each row: rows of one owner that change together would
-- each make another version of the same counter, and read all those before it.
--
-- What has changed is found without a join of old and new rows, whose plan would be made for a single row and kept.
drop trigger tasks_change_list on tasks;
drop trigger runs_begin_list on runs;
drop trigger runs_change_list on runs;
drop trigger runs_leave_list on runs;
drop trigger schedules_change_list on schedules;
drop trigger failed_token_stops_schedule on tasks;
drop function tasks_change_list, runs_change_list, schedules_change_list, failed_token_stops_schedule, change_list;

create type list_change as (
    issuer text, subject text, tasks bigint, waiting bigint, at_work bigint, completed bigint, failed bigint,
    cancelled bigint
);
create function change_lists(changes list_change[]) returns void language sql as $$
    insert into list_versions as l (issuer, subject, slot, version, tasks, waiting, at_work, completed, failed, cancelled)
    select c.issuer, c.subject, pg_backend_pid() % 16, 1, c.tasks, c.waiting, c.at_work, c.completed, c.failed, c.cancelled
    from unnest(changes) as c
    order by c.issuer, c.subject
    on conflict (issuer, subject, slot) do update
    set version = l.version + 1, tasks = l.tasks + excluded.tasks, waiting = l.waiting + excluded.waiting,
        at_work = l.at_work + excluded.at_work, completed = l.completed + excluded.completed,
        failed = l.failed + excluded.failed, cancelled = l.cancelled + excluded.cancelled
$$;

create function tasks_enter_lists() returns trigger language plpgsql as $$
begin
    insert into unstarted_tasks (task_id, issuer, subject, created_at)
    select id, issuer, subject, created_at from new_rows;
    perform change_lists(array(
        select (issuer, subject, count(*), 0, 0, 0, 0, 0)::list_change from new_rows group by issuer, subject
    ));
    return null;
end
$$;
create function tasks_change_lists() returns trigger language plpgsql as $$
begin
    perform change_lists(array(
        select (issuer, subject, 0, 0, 0, 0, 0, 0)::list_change
        from (
            select id, issuer, subject, name, description, kind, parameters, persistent_token_id, token_status
            from new_rows
            except
            select id, issuer, subject, name, description, kind, parameters, persistent_token_id, token_status
            from old_rows
        ) as changed
        group by issuer, subject
    ));
    return null;
end
$$;
create function tasks_leave_lists() returns trigger language plpgsql as $$
begin
    perform change_lists(array(
        select (issuer, subject, - count(*), 0, 0, 0, 0, 0)::list_change from old_rows group by issuer, subject
    ));
    return null;
end
$$;
create trigger tasks_enter_lists after insert on tasks
    referencing new table as new_rows for each statement execute function tasks_enter_lists();
create trigger tasks_change_lists after update on tasks
    referencing old table as old_rows new table as new_rows for each statement execute function tasks_change_lists();
create trigger tasks_leave_lists after delete on tasks
    referencing old table as old_rows for each statement execute function tasks_leave_lists();

-- A row of a run as the counters see it: 1 for what is there now, -1 for what was there. Queued and running are one state;
-- a run that goes back from the one to the other has another fence.
create type run_in_list as (
    issuer text, subject text, task_id uuid, number integer, fence bigint, state text, wait_reason text, there integer
);
create function count_runs(seen run_in_list[]) returns void language sql as $$
    select change_lists(array(
        select (issuer, subject, 0,
                coalesce(sum(there) filter (where state = 'waiting'), 0),
                coalesce(sum(there) filter (where state = 'at_work'), 0),
                coalesce(sum(there) filter (where state = 'completed'), 0),
                coalesce(sum(there) filter (where state = 'failed'), 0),
                coalesce(sum(there) filter (where state = 'cancelled'), 0))::list_change
        from (
            select issuer, subject, state, sum(there) as there
            from unnest(seen)
            group by issuer, subject, task_id, number, fence, state, wait_reason
            having sum(there) <> 0
        ) as changed
        group by issuer, subject
    ))
$$;
create function state_in_list(status text) returns text immutable language sql as $$
    select case when status in ('queued', 'running') then 'at_work' else status end
$$;

create function runs_enter_lists() returns trigger language plpgsql as $$
begin
    delete from unstarted_tasks u using new_rows n where n.latest and u.task_id = n.task_id;
    update runs r
    set latest = false
    from new_rows n
    where n.latest
      and n.number > 1
      and r.task_id = n.task_id
      and r.number = (select max(number) from runs where task_id = n.task_id and number < n.number);
    perform count_runs(array(
        select (issuer, subject, task_id, number, fence, state_in_list(status), wait_reason, 1)::run_in_list
        from new_rows
        where latest
    ));
    return null;
end
$$;
create function runs_change_lists() returns trigger language plpgsql as $$
begin
    perform count_runs(array(
        select (issuer, subject, task_id, number, fence, state_in_list(status), wait_reason, 1)::run_in_list
        from new_rows
        where latest
        union all
        select (issuer, subject, task_id, number, fence, state_in_list(status), wait_reason, -1)::run_in_list
        from old_rows
        where latest
    ));
    return null;
end
$$;
create function runs_leave_lists() returns trigger language plpgsql as $$
begin
    perform count_runs(array(
        select (issuer, subject, task_id, number, fence, state_in_list(status), wait_reason, -1)::run_in_list
        from old_rows
        where latest
    ));
    return null;
end
$$;
create trigger runs_enter_lists after insert on runs
    referencing new table as new_rows for each statement execute function runs_enter_lists();
create trigger runs_change_lists after update on runs
    referencing old table as old_rows new table as new_rows for each statement execute function runs_change_lists();
create trigger runs_leave_lists after delete on runs
    referencing old table as old_rows for each statement execute function runs_leave_lists();

create function schedules_change_lists() returns trigger language plpgsql as $$
begin
    perform change_lists(array(
        select (issuer, subject, 0, 0, 0, 0, 0, 0)::list_change from changed_rows group by issuer, subject
    ));
    return null;
end
$$;
create trigger schedules_enter_lists after insert on schedules
    referencing new table as changed_rows for each statement execute function schedules_change_lists();
create trigger schedules_change_lists after update on schedules
    referencing new table as changed_rows for each statement execute function schedules_change_lists();
create trigger schedules_leave_lists after delete on schedules
    referencing old table as changed_rows for each statement execute function schedules_change_lists();

-- Whoever learns that a token gives no access any more (a worker, or its owner's list) ends the task's schedule with it.
create function failed_token_stops_schedules() returns trigger language plpgsql as $$
begin
    update schedules
    set status = 'stopped', stop_reason = 'token_failed', next_run_at = null, held = false
    where status = 'active'
      and task_id in (
          select id from new_rows where token_status = 'failed'
          except
          select id from old_rows where token_status = 'failed'
      );
    return null;
end
$$;
create trigger failed_token_stops_schedules after update on tasks
    referencing old table as old_rows new table as new_rows for each statement
    execute function failed_token_stops_schedules();
