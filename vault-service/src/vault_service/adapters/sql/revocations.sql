-- name: add
insert into revocations (id, grant_id, issuer, subject, provider, refresh_token)
values (%(id)s, %(grant_id)s, %(issuer)s, %(subject)s, %(provider)s, %(refresh_token)s);

-- name: take_due
-- Lease one due token; it is due again after the lease when its taker dies.
update revocations
set attempts = attempts + 1,
    next_attempt_at = now() + interval '30 seconds'
where id = (
    select id
    from revocations
    where done_at is null
      and next_attempt_at <= now()
    order by next_attempt_at
    limit 1
    for update skip locked
)
returning id, grant_id, issuer, subject, provider, refresh_token, attempts;

-- name: done
update revocations
set done_at = now(), outcome = %(outcome)s, refresh_token = null
where id = %(id)s
  and done_at is null
returning true;

-- name: postpone
update revocations
set next_attempt_at = now() + make_interval(secs => %(seconds)s)
where id = %(id)s
returning true;
