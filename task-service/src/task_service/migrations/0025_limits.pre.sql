-- The next attempt for a worker, where limits hold: at_once attempts of the queue and of_one_owner run at the same time,
-- over all workers; 0 is no limit. The engine's own function serves while nobody has reached a limit.
create function fetch_attempt(queue text, worker bigint, at_once integer, of_one_owner integer)
returns procrastinate_jobs language plpgsql as $$
declare
    owners_at_limit text[];
    next_id bigint;
    taken procrastinate_jobs;
begin
    -- Workers fetch one after the other: each statement below sees what the others have taken.
    perform pg_advisory_xact_lock(hashtext('fetch_attempt'), hashtext(queue));
    if at_once > 0 and at_once <= (
        select count(*)
        from procrastinate_jobs
        where status = 'doing' and worker_id is not null and queue_name = queue
    ) then
        return null;
    end if;
    if of_one_owner > 0 then
        owners_at_limit := array(
            select r.issuer || ' ' || r.subject
            from procrastinate_jobs j
            join runs r on r.job_id = j.id and r.status in ('queued', 'running')
            where j.status = 'doing' and j.worker_id is not null and j.queue_name = queue
            group by r.issuer, r.subject
            having count(*) >= of_one_owner
        );
    end if;
    if coalesce(cardinality(owners_at_limit), 0) = 0 then
        return procrastinate_fetch_job_v2(array[queue]::varchar[], worker);
    end if;
    -- Others are mostly near the front, since the queue serves owners in turn.
    select front.id into next_id
    from (
        select id, priority
        from procrastinate_jobs
        where status = 'todo' and queue_name = queue
        order by priority desc, id
        limit 64
    ) as front
    join runs r on r.job_id = front.id and r.status in ('queued', 'running')
    where r.issuer || ' ' || r.subject <> all (owners_at_limit)
    order by front.priority desc, front.id
    limit 1;
    -- Else the first run of each owner who has one: from owner to owner through an index, past however many runs.
    if next_id is null then
        with recursive waiting (issuer, subject) as (
            (select issuer, subject from runs where status = 'queued' order by issuer, subject limit 1)
            union all
            select following.issuer, following.subject
            from waiting w
            cross join lateral (
                select r.issuer, r.subject
                from runs r
                where r.status = 'queued' and (r.issuer, r.subject) > (w.issuer, w.subject)
                order by r.issuer, r.subject
                limit 1
            ) as following
        )
        select first.id into next_id
        from waiting w
        cross join generate_series(0, 2) as level
        cross join lateral (
            select j.id, j.priority
            from runs r
            join procrastinate_jobs j on j.id = r.job_id and j.status = 'todo' and j.queue_name = queue
            where r.issuer = w.issuer and r.subject = w.subject and r.status = 'queued' and r.urgency = level
            order by r.queue_tag
            limit 1
        ) as first
        where w.issuer || ' ' || w.subject <> all (owners_at_limit)
        order by first.priority desc, first.id
        limit 1;
    end if;
    update procrastinate_jobs
    set status = 'doing', worker_id = worker
    where id = next_id and status = 'todo'
    returning * into taken;
    return taken;
end
$$;
