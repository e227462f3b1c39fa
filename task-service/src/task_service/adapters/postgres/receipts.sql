-- name: stored
select fingerprint, answer
from idempotency_keys
where issuer = %(issuer)s
  and subject = %(subject)s
  and key = %(key)s
  and created_at > now() - make_interval(hours => %(hours)s);

-- name: claim
-- Waits for a transaction that has claimed the same key; a key whose time is over is taken anew.
insert into idempotency_keys as known (issuer, subject, key, fingerprint)
values (%(issuer)s, %(subject)s, %(key)s, %(fingerprint)s)
on conflict (issuer, subject, key) do update
set fingerprint = excluded.fingerprint, answer = null, created_at = now()
where known.created_at <= now() - make_interval(hours => %(hours)s)
returning true;

-- name: settle
update idempotency_keys
set answer = %(answer)s
where issuer = %(issuer)s
  and subject = %(subject)s
  and key = %(key)s;

-- name: remove_old
delete from idempotency_keys
where (issuer, subject, key) in (
    select issuer, subject, key
    from idempotency_keys
    where created_at <= now() - make_interval(hours => %(hours)s)
    order by created_at
    limit %(at_most)s
    for update skip locked
)
returning true;
