-- name: lock_owner
-- Requests of one person are added one after the other, so that together they do not exceed the limit.
select pg_advisory_xact_lock(-4230013, hashtext(%(issuer)s || ' ' || %(subject)s));

-- name: pending
-- How many requests of a person wait for an answer, and in how many seconds the oldest expires.
select count(*), coalesce(extract(epoch from min(consent_expires_at) - now()), 1)::float8
from grants
where issuer = %(issuer)s
  and subject = %(subject)s
  and status = 'pending'
  and consent_expires_at > now();

-- name: add_grant
insert into grants (id, issuer, subject, provider, token_type, status, task_id, scopes, services, not_after, max_uses,
                    idle_seconds, max_seconds, consent_expires_at, terms_key, terms_mac)
values (%(id)s, %(issuer)s, %(subject)s, %(provider)s, %(token_type)s, 'pending', %(task_id)s, %(scopes)s, %(services)s,
        %(not_after)s, %(max_uses)s, %(idle_seconds)s, %(max_seconds)s, %(consent_expires_at)s, %(terms_key)s, %(terms_mac)s);

-- name: requested
-- Whether an older version may have written the row, which has no MAC then; and what was requested.
select terms_mac is null
           and created_at < coalesce((select applied_at from schema_migrations where name like '0028_%%'), 'infinity'),
       terms_key, terms_mac, provider, token_type, services, not_after, max_uses, idle_seconds, max_seconds
from grants
where id = %(id)s;

-- name: add_request
insert into consent_requests (state_hash, grant_id, secrets, browser_hash, expires_at)
values (%(state_hash)s, %(grant_id)s, %(secrets)s, %(browser_hash)s, %(expires_at)s);

-- name: claim
-- One caller takes the request. Another browser takes nothing, so that it cannot use the request up either.
update consent_requests c
set claimed_at = now()
from grants g
where c.state_hash = %(state_hash)s
  and g.id = c.grant_id
  and c.claimed_at is null
  and c.expires_at > now()
  and (c.browser_hash is null or c.browser_hash = %(browser_hash)s)
returning c.grant_id, g.issuer, g.subject, g.provider, g.token_type, g.task_id, g.scopes, c.browser_hash is not null, c.secrets;

-- name: unclaimed
-- Of a request that could not be claimed: whether it has merely expired, and the task that it was for.
select c.claimed_at is null and c.expires_at <= now(), g.task_id
from consent_requests c
join grants g on g.id = c.grant_id
where c.state_hash = %(state_hash)s
  and (c.browser_hash is null or c.browser_hash = %(browser_hash)s);

-- name: activate
-- The grant ends when the authorization server says so, or else by our rule for idle tokens; never later than by our rule for
-- the longest life.
update grants
set status = 'active',
    account_issuer = %(account_issuer)s,
    account_subject = %(account_subject)s,
    token_identity = %(token_identity)s,
    refresh_token = %(refresh_token)s,
    provider_session = %(provider_session)s,
    generation = %(generation)s,
    scopes = %(scopes)s,
    access_lifetime = %(access_lifetime)s,
    activated_at = now(),
    last_refreshed_at = now(),
    expires_at = least(
        now() + make_interval(secs => coalesce(%(refresh_expires_in)s, idle_seconds)),
        now() + make_interval(secs => max_seconds)
    )
where id = %(id)s
  and status = 'pending'
returning true;

-- name: fail
update grants
set status = 'failed', failure = %(failure)s, failure_detail = %(detail)s
where id = %(id)s
  and status = 'pending'
returning true;
