-- name: add_run
insert into runs (task_id, number, issuer, subject, cause, status, fence, job_id)
values (%(task_id)s, %(number)s, %(issuer)s, %(subject)s, %(cause)s, 'queued', %(fence)s, %(job_id)s);

-- name: count_run
update tasks
set last_run = %(number)s
where id = %(task_id)s;

-- name: add_attempt
insert into attempts (task_id, fence, run, persistent_token_id)
values (%(task_id)s, %(fence)s, %(number)s, %(persistent_token_id)s);

-- name: set_job
update runs
set job_id = %(job_id)s
where task_id = %(task_id)s
  and number = %(number)s;
