-- Tasks that are queued or running get their runs. They are few, so their workers wait for moments only.
select adopt_runs(t)
from (
    select *
    from tasks
    where status in ('queued', 'running')
      and last_run = 0
    for update
) as t;
