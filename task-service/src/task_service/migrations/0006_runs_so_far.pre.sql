-- So do all others. While this runs, nothing but executing, linking or deleting one of these tasks waits.
select adopt_runs(t)
from (
    select *
    from tasks
    where status <> 'pending'
      and last_run = 0
    for update
) as t;
