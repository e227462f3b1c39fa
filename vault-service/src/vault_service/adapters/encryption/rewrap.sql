-- name: grants_to_seal
select id, refresh_token, issuer, subject, generation, provider, token_type, services, not_after, max_uses, idle_seconds,
       max_seconds, scopes, account_issuer, account_subject, token_identity
from grants
where refresh_token is not null
  and (sealed_by(refresh_token) <> %(active)s or get_byte(refresh_token, 0) = 1)
  and (%(after)s::uuid is null or id > %(after)s)
order by id
limit %(limit)s;

-- name: seal_grants
-- Rows are locked in the order of their ids, as by all statements that lock several.
with current as (
    select g.id, change.new
    from unnest(%(ids)s::uuid[], %(old)s::bytea[], %(new)s::bytea[]) change (id, old, new)
    join grants g on g.id = change.id and g.refresh_token = change.old
    order by g.id
    for update of g
)
update grants g
set refresh_token = current.new
from current
where g.id = current.id
returning g.id;

-- name: consent_requests_to_seal
select c.state_hash, c.secrets, g.issuer, g.subject, c.grant_id,
       case when c.kept_until is null then c.browser_hash else c.confirmation_hash end
from consent_requests c
join grants g on g.id = c.grant_id
where sealed_by(c.secrets) <> %(active)s
  and (c.claimed_at is null and c.expires_at > now() or c.kept_until > now())
  and (%(after)s::bytea is null or c.state_hash > %(after)s)
order by c.state_hash
limit %(limit)s;

-- name: seal_consent_requests
update consent_requests c
set secrets = change.new
from unnest(%(ids)s::bytea[], %(old)s::bytea[], %(new)s::bytea[]) change (id, old, new)
where c.state_hash = change.id
  and c.secrets = change.old
returning c.state_hash;

-- name: revocations_to_seal
select id, refresh_token, issuer, subject, grant_id, provider
from revocations
where refresh_token is not null
  and (sealed_by(refresh_token) <> %(active)s or get_byte(refresh_token, 0) = 1)
  and (%(after)s::uuid is null or id > %(after)s)
order by id
limit %(limit)s;

-- name: seal_revocations
update revocations r
set refresh_token = change.new
from unnest(%(ids)s::uuid[], %(old)s::bytea[], %(new)s::bytea[]) change (id, old, new)
where r.id = change.id
  and r.refresh_token = change.old
returning r.id;

-- name: sealed_by
-- Consent requests that have ended do not count: they are never opened again.
select (select count(*) from grants where sealed_by(refresh_token) = %(key_id)s)
     + (select count(*) from revocations where sealed_by(refresh_token) = %(key_id)s)
     + (select count(*) from consent_requests
        where sealed_by(secrets) = %(key_id)s
          and (claimed_at is null and expires_at > now() or kept_until > now()));
