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
insert into grants (id, issuer, subject, provider, token_type, status, task_id, other_task_ids, name, asked_by, return_to,
                    scopes, services, not_after, max_uses, idle_seconds, max_seconds, consent_expires_at, terms_key, terms_mac)
values (%(id)s, %(issuer)s, %(subject)s, %(provider)s, %(token_type)s, 'pending', %(task_id)s, %(other_task_ids)s, %(name)s,
        %(asked_by)s, %(return_to)s, %(scopes)s, %(services)s, %(not_after)s, %(max_uses)s, %(idle_seconds)s, %(max_seconds)s,
        %(consent_expires_at)s, %(terms_key)s, %(terms_mac)s);

-- name: requested
-- Whether an older version may have written the row, which has no MAC then; and what was requested.
select terms_mac is null
           and created_at < coalesce((select applied_at from schema_migrations where name like '0028_%%'), 'infinity'),
       terms_key, terms_mac, scopes, asked_by, return_to,
       provider, token_type, services, not_after, max_uses, idle_seconds, max_seconds
from grants
where id = %(id)s;

-- name: count_questions
-- The questions of a service that wait for a person. Two that are asked at the same moment may both be let in.
select count(*)
from grants
where issuer = %(issuer)s
  and subject = %(subject)s
  and asked_by = %(asked_by)s
  and status = 'pending'
  and consent_expires_at > now();

-- name: open_question
select provider, scopes, asked_by, return_to, status = 'pending' and consent_expires_at > now()
from grants
where id = %(id)s
  and issuer = %(issuer)s
  and subject = %(subject)s
  and asked_by is not null;

-- name: hold_open
update grants
set consent_expires_at = greatest(consent_expires_at, %(expires_at)s)
where id = %(grant_id)s
  and status = 'pending';

-- name: add_request
insert into consent_requests (state_hash, grant_id, secrets, browser_hash, expires_at)
values (%(state_hash)s, %(grant_id)s, %(secrets)s, %(browser_hash)s, %(expires_at)s);

-- name: claim
-- One caller takes the request, at the redirect URI of its provider. Another browser, or the answer at another provider's
-- redirect URI, takes nothing, so that it cannot use the request up either.
update consent_requests c
set claimed_at = now()
from grants g
where c.state_hash = %(state_hash)s
  and g.id = c.grant_id
  and g.provider = %(provider)s
  and c.claimed_at is null
  and c.expires_at > now()
  and (c.browser_hash is null or c.browser_hash = %(browser_hash)s)
returning c.grant_id, g.issuer, g.subject, g.provider, g.token_type, g.task_id, g.scopes, c.browser_hash,
          g.asked_by, g.return_to, c.state_hash, c.secrets;

-- name: unclaimed
-- Of a request that could not be claimed: whether it has merely expired, and the task that it was for.
select c.claimed_at is null and c.expires_at <= now(), g.task_id, g.id, g.asked_by, g.return_to
from consent_requests c
join grants g on g.id = c.grant_id
where c.state_hash = %(state_hash)s
  and g.provider = %(provider)s
  and (c.browser_hash is null or c.browser_hash = %(browser_hash)s);

-- name: keep
-- Keeps the code of a claimed request for its confirmation. The grant stays pending at least as long.
with kept as (
    update consent_requests
    set secrets = %(secrets)s,
        confirmation_hash = %(confirmation_hash)s,
        kept_until = now() + make_interval(secs => %(seconds)s)
    where state_hash = %(state_hash)s
      and claimed_at is not null
      and confirmation_hash is null
    returning grant_id, kept_until
)
update grants g
set consent_expires_at = greatest(g.consent_expires_at, kept.kept_until)
from kept
where g.id = kept.grant_id
  and g.status = 'pending'
returning true;

-- name: take_kept
-- One caller takes the code: the owner, with the secret of the browser that brought it.
with kept as (
    select c.state_hash
    from consent_requests c
    join grants g on g.id = c.grant_id
    where c.grant_id = %(id)s
      and g.issuer = %(issuer)s
      and g.subject = %(subject)s
      and g.status = 'pending'
      and c.confirmation_hash = %(confirmation_hash)s
      and c.kept_until > now()
    for update of c
)
update consent_requests c
set confirmation_hash = null, kept_until = null
from kept, grants g
where c.state_hash = kept.state_hash
  and g.id = c.grant_id
returning c.grant_id, g.issuer, g.subject, g.provider, g.token_type, g.task_id, g.scopes, c.browser_hash,
          g.asked_by, g.return_to, c.state_hash, c.secrets;

-- name: is_owned
select true
from grants
where id = %(id)s
  and issuer = %(issuer)s
  and subject = %(subject)s;

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
    ),
    keep_alive_at = next_keep_alive(
        token_type,
        coalesce(%(refresh_expires_in)s::float8, idle_seconds, %(assumed_idle)s),
        least(not_after, now() + make_interval(secs => max_seconds))
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
