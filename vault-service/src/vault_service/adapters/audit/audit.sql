-- name: append
insert into audit (at, event, grant_id, issuer, subject, actor, request_id, outcome, via_id, via_name, task_id, attempt,
                   reason, writer_id, writer_seq, writer_mark, key_id, mac)
values (%(at)s, %(event)s, %(grant_id)s, %(issuer)s, %(subject)s, %(actor)s, %(request_id)s, %(outcome)s, %(via_id)s,
        %(via_name)s, %(task_id)s, %(attempt)s, %(reason)s, %(writer_id)s, %(writer_seq)s, %(writer_mark)s, %(key_id)s, %(mac)s);

-- name: of_grant
-- Newest first. Lines outlive their grant, so they are selected by their own columns.
select id, at, event, actor, request_id, outcome, via_id, via_name, task_id, attempt, reason
from audit
where grant_id = %(grant_id)s
  and issuer = %(issuer)s
  and subject = %(subject)s
  and id < %(before)s
order by id desc
limit %(limit)s;

-- name: of_grant_after
select id, at, event, actor, request_id, outcome, via_id, via_name, task_id, attempt, reason
from audit
where grant_id = %(grant_id)s
  and issuer = %(issuer)s
  and subject = %(subject)s
  and id > %(after)s
order by id
limit %(limit)s;
