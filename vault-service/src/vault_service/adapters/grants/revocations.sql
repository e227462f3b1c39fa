-- name: add
-- Adds nothing while another grant lives on the same session at the authorization server: revoking this token would end that
-- grant. The revocation of the last grant ends the session. A failed grant can live again; an ended one cannot.
insert into revocations (id, grant_id, issuer, subject, provider, refresh_token)
select %(id)s, %(grant_id)s, %(issuer)s, %(subject)s, %(provider)s, %(refresh_token)s
where not exists (
    select
    from grants other
    where other.provider = %(provider)s
      and other.provider_session = coalesce(
          %(provider_session)s,
          (select own.provider_session from grants own where own.id = %(grant_id)s)
      )
      and other.id <> %(grant_id)s
      and other.status in ('active', 'failed')
      and other.refresh_token is not null
      and coalesce(other.not_after > now(), true)
      and coalesce(other.expires_at > now(), true)
      and coalesce(other.uses < other.max_uses, true)
)
returning true;

-- name: take_due
-- Leases one due token. When the process that took it dies, it is due again after the lease.
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

-- name: mark_siblings
-- The active grants of the same account at a server that names no sessions: the revocation may have ended them, too.
update grants other
set recheck_at = now()
from grants own
where own.id = %(grant_id)s
  and own.provider_session is null
  and other.provider = own.provider
  and other.account_issuer = own.account_issuer
  and other.account_subject = own.account_subject
  and other.provider_session is null
  and other.id <> own.id
  and other.status = 'active';

-- name: postpone
update revocations
set next_attempt_at = now() + make_interval(secs => %(seconds)s)
where id = %(id)s
returning true;

-- name: backlog
select count(*), coalesce(extract(epoch from now() - min(created_at)), 0)::float8
from revocations
where done_at is null;
