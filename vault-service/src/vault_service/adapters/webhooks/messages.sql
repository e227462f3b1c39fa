-- name: forget_services
delete from webhook_services
where service <> all (%(services)s);

-- name: add_services
insert into webhook_services (service)
select unnest(%(services)s::text[])
on conflict do nothing;

-- name: forget_messages
delete from webhook_messages
where done_at is null
  and service <> all (%(services)s);

-- name: take_due
-- Leases one due message. When the process that took it dies, it is due again after the lease.
update webhook_messages
set attempts = attempts + 1,
    next_attempt_at = now() + interval '1 minute'
where id = (
    select id
    from webhook_messages
    where done_at is null
      and next_attempt_at <= now()
    order by next_attempt_at
    limit 1
    for update skip locked
)
returning id, service, event, grant_id, issuer, subject, name, task_id, failure, ends_at, created_at, attempts;

-- name: postpone
update webhook_messages
set next_attempt_at = now() + make_interval(secs => %(seconds)s)
where id = %(id)s
returning true;

-- name: done
update webhook_messages
set done_at = now(), outcome = %(outcome)s
where id = %(id)s
  and done_at is null
returning true;

-- name: backlog
select count(*), coalesce(extract(epoch from now() - min(created_at)), 0)::float8
from webhook_messages
where done_at is null;
