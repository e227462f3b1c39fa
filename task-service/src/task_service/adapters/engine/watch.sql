-- name: heartbeats
select id, last_heartbeat
from procrastinate_workers;

-- name: alive
-- By the clock that wrote the heartbeats.
select count(*)
from procrastinate_workers
where last_heartbeat > now() - make_interval(secs => %(seconds)s);

-- name: workers
select w.id, extract(epoch from now() - w.last_heartbeat)::float8, count(j.id)
from procrastinate_workers w
left join procrastinate_jobs j on j.worker_id = w.id and j.status = 'doing'
group by w.id, w.last_heartbeat
order by w.id;

-- name: jobs_without_worker
-- Each half goes through a partial index that is as long as what workers have in hand, not as long as the queue.
select id, task_name, args
from procrastinate_jobs
where status = 'doing'
  and worker_id is not null
  and worker_id = any (%(silent)s)
union all
select id, task_name, args
from procrastinate_jobs
where status = 'doing'
  and worker_id is null;

-- name: remove_workers
delete from procrastinate_workers
where id = any (%(silent)s)
returning id;

-- name: waiting
select count(*)
from (
    select
    from procrastinate_jobs
    where status = 'todo'
      and queue_name = %(queue)s
    order by priority desc, id
    limit %(at_most)s
) as counted;

-- name: end_job
select procrastinate_finish_job_v1(id, 'failed', true)
from procrastinate_jobs
where id = %(job_id)s
  and status in ('todo', 'doing');
