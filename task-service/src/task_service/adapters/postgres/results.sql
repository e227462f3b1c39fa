-- name: announce
insert into result_files (key, media_type, name, size)
values (%(key)s, %(media_type)s, %(name)s, %(size)s)
returning key;

-- name: attach
-- A run has one result: that of the attempt that completes it.
update result_files
set task_id = %(task_id)s, run = %(number)s
where key = %(key)s;

-- name: find
select f.key, f.media_type, f.name, f.size
from result_files f
join tasks t on t.id = f.task_id
where f.task_id = %(task_id)s
  and f.run = %(number)s
  and t.issuer = %(issuer)s
  and t.subject = %(subject)s;

-- name: without_run
select key
from result_files
where task_id is null
  and created_at < now() - make_interval(secs => %(seconds)s)
order by created_at
limit %(at_most)s;

-- name: forget
delete from result_files
where key = %(key)s
  and task_id is null
returning key;
