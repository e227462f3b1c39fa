-- Triggers work by plans that their session keeps. PostgreSQL plans the body of a function in SQL anew for each call: that took
-- most of the time of the statements that begin and complete an attempt. Statements that find nothing are left out, too:
-- each would run the triggers of its table.
create or replace function change_lists(changes list_change[]) returns void language plpgsql as $$
declare
    change list_change := changes[1];
    own integer := pg_backend_pid() % 64;
begin
    if cardinality(changes) = 0 then
        return;
    end if;
    -- A session has a counter of its own among its owner's 64, and two in reserve. One change takes the first of them that
    -- nobody has locked, or else a new one: it waits for no other commit.
    if cardinality(changes) = 1 then
        with free as materialized (
            select f.slot
            from list_versions f
            where f.issuer = change.issuer
              and f.subject = change.subject
              and f.slot in (own, (own + 21) % 64, (own + 42) % 64)
            order by f.slot <> own
            for no key update skip locked
            limit 1
        )
        update list_versions l
        set version = l.version + 1, tasks = l.tasks + change.tasks, waiting = l.waiting + change.waiting,
            at_work = l.at_work + change.at_work, completed = l.completed + change.completed,
            failed = l.failed + change.failed, cancelled = l.cancelled + change.cancelled
        from free
        where l.issuer = change.issuer
          and l.subject = change.subject
          and l.slot = free.slot;
        if found then
            return;
        end if;
        own := coalesce((
            select places.slot
            from generate_series(0, 63) as places (slot)
            where not exists (
                select
                from list_versions l
                where l.issuer = change.issuer
                  and l.subject = change.subject
                  and l.slot = places.slot
            )
            order by places.slot <> own, random()
            limit 1
        ), own);
    end if;
    insert into list_versions as l (issuer, subject, slot, version, tasks, waiting, at_work, completed, failed, cancelled)
    select c.issuer, c.subject, own, 1, c.tasks, c.waiting, c.at_work, c.completed, c.failed, c.cancelled
    from unnest(changes) as c
    order by c.issuer, c.subject
    on conflict (issuer, subject, slot) do update
    set version = l.version + 1, tasks = l.tasks + excluded.tasks, waiting = l.waiting + excluded.waiting,
        at_work = l.at_work + excluded.at_work, completed = l.completed + excluded.completed,
        failed = l.failed + excluded.failed, cancelled = l.cancelled + excluded.cancelled;
end
$$;

create or replace function count_runs(seen run_in_list[]) returns void language plpgsql as $$
begin
    perform change_lists(array(
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
    ));
end
$$;

create or replace function runs_lose_their_job() returns trigger language plpgsql as $$
begin
    if exists (select from runs where job_id = old.id and status in ('queued', 'running')) then
        update runs set job_id = null where job_id = old.id and status in ('queued', 'running');
    end if;
    return null;
end
$$;

-- Mostly one run changes, and its state as the list shows it does not: it begins, or reports progress.
create or replace function runs_change_lists() returns trigger language plpgsql as $$
declare
    number_changed bigint := (select count(*) from new_rows);
    before runs;
    after runs;
begin
    if number_changed = 0 then
        return null;
    end if;
    if number_changed = 1 then
        select * into before from old_rows;
        select * into after from new_rows;
        if before.latest and after.latest then
            if (state_in_list(before.status), before.fence, before.wait_reason)
               is distinct from (state_in_list(after.status), after.fence, after.wait_reason) then
                perform change_lists(array[(
                    after.issuer, after.subject, 0,
                    (after.status = 'waiting')::integer - (before.status = 'waiting')::integer,
                    (after.status in ('queued', 'running'))::integer - (before.status in ('queued', 'running'))::integer,
                    (after.status = 'completed')::integer - (before.status = 'completed')::integer,
                    (after.status = 'failed')::integer - (before.status = 'failed')::integer,
                    (after.status = 'cancelled')::integer - (before.status = 'cancelled')::integer
                )::list_change]);
            end if;
            return null;
        end if;
    end if;
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

-- A run that was held comes due when the one before it has ended; what depends on the task, or what it depends on, is looked at.
create function ended_run_moves_others() returns trigger language plpgsql as $$
begin
    if exists (select from schedules where task_id = new.task_id and held) then
        update schedules set held = false where task_id = new.task_id and held;
    end if;
    insert into dependency_news (task_id)
    select d.task_id from dependencies d where d.depends_on = new.task_id
    union
    select d.task_id from dependencies d where d.task_id = new.task_id;
    return null;
end
$$;
drop trigger ended_run_frees_schedule on runs;
drop trigger ended_run_is_news on runs;
drop function ended_run_frees_schedule, ended_run_is_news;
create trigger ended_run_moves_others after update of status on runs
    for each row when (new.status in ('completed', 'failed', 'cancelled'))
    execute function ended_run_moves_others();
