-- name: add_grant
insert into grants (id, issuer, subject, provider, token_type, status, task_id, scopes, services, not_after, max_uses,
                    idle_seconds, max_seconds, consent_expires_at)
values (%(id)s, %(issuer)s, %(subject)s, %(provider)s, %(token_type)s, 'pending', %(task_id)s, %(scopes)s, %(services)s,
        %(not_after)s, %(max_uses)s, %(idle_seconds)s, %(max_seconds)s, %(consent_expires_at)s);

-- name: add_consent_request
insert into consent_requests (state_hash, grant_id, secrets, browser_hash, expires_at)
values (%(state_hash)s, %(grant_id)s, %(secrets)s, %(browser_hash)s, %(expires_at)s);

-- name: claim_consent
-- One caller takes the request; a wrong browser takes nothing, so that it cannot use the request up either.
update consent_requests c
set claimed_at = now()
from grants g
where c.state_hash = %(state_hash)s
  and g.id = c.grant_id
  and c.claimed_at is null
  and c.expires_at > now()
  and (c.browser_hash is null or c.browser_hash = %(browser_hash)s)
returning c.grant_id, g.issuer, g.subject, g.provider, g.token_type, g.task_id, c.browser_hash is not null, c.secrets;

-- name: why_not_claimed
-- Whether a request that could not be claimed is merely too old, and the task that it was for.
select c.claimed_at is null and c.expires_at <= now(), g.task_id
from consent_requests c
join grants g on g.id = c.grant_id
where c.state_hash = %(state_hash)s
  and (c.browser_hash is null or c.browser_hash = %(browser_hash)s);

-- name: activate
-- Its end: what the authorization server says, else our rule for idle tokens; and never past the longest life.
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

-- name: fail_consent
update grants
set status = 'failed', failure = %(failure)s
where id = %(id)s
  and status = 'pending'
returning true;

-- name: of_owner
-- A consent that was never given, and an end that has passed, show in the status. Uses: those that the audit's seals
-- have counted, and the lines since.
select g.id, g.issuer, g.subject,
       case
           when g.status = 'pending' and g.consent_expires_at <= now() then 'failed'
           when g.status = 'active' and (g.not_after <= now() or g.expires_at <= now() or g.uses >= g.max_uses) then 'expired'
           else g.status
       end,
       case
           when g.status = 'pending' and g.consent_expires_at <= now() then 'consent_expired'
           else g.failure
       end,
       g.provider, g.token_type, g.task_id, g.scopes, g.services, g.not_after, g.max_uses,
       coalesce(sealed.uses, 0) + recent.uses,
       g.created_at, g.activated_at, greatest(sealed.last_used_at, recent.last_used_at), g.last_refreshed_at,
       g.expires_at, g.account_issuer, g.account_subject
from grants g
left join grant_uses sealed on sealed.grant_id = g.id
cross join lateral (
    select count(*) as uses, max(a.at) as last_used_at
    from audit a
    where a.grant_id = g.id
      and a.event = 'token.issued'
      and a.id > coalesce((select high from audit_seals order by number desc limit 1), 0)
) recent
where g.issuer = %(issuer)s
  and g.subject = %(subject)s
  and (%(task_id)s::text is null or g.task_id = %(task_id)s)
  and (%(id)s::uuid is null or g.id = %(id)s)
order by g.created_at desc, g.id
limit 1000;

-- name: for_update
-- With all that share its session, always in the same order: two of them revoked at once must see each other.
select g.id = %(id)s, g.status, g.generation, g.refresh_token, g.provider, g.issuer, g.subject
from grants g
where g.id = %(id)s
   or (g.provider, g.provider_session) = (
       select own.provider, own.provider_session
       from grants own
       where own.id = %(id)s
         and own.issuer = %(issuer)s
         and own.subject = %(subject)s
   )
order by g.id
for update;

-- name: revoke
update grants
set status = 'revoked', failure = null, refresh_token = null, refresh_started_at = null
where id = %(id)s;

-- name: authorize
select status, failure, provider, services, scopes, generation, refresh_token, access_lifetime,
       extract(epoch from clock_timestamp() - refresh_started_at)::float8,
       account_issuer, account_subject, token_identity,
       consent_expires_at <= now(),
       coalesce(not_after <= now(), false) or coalesce(expires_at <= now(), false) or coalesce(uses >= max_uses, false)
from grants
where id = %(id)s
  and issuer = %(issuer)s
  and subject = %(subject)s;

-- name: begin_refresh
-- Only of a grant that is still as it was read: then it need not be read again.
update grants
set refresh_started_at = clock_timestamp()
where id = %(id)s
  and generation = %(generation)s
  and status = %(status)s
  and (refresh_started_at is null) = %(is_idle)s
returning refresh_started_at;

-- name: claim_check
-- Once a minute for each grant, whoever asks wherever.
update grants
set checked_at = now()
where id = %(id)s
  and (checked_at is null or checked_at <= now() - interval '1 minute')
returning true;

-- name: next_check
select greatest(extract(epoch from checked_at + interval '1 minute' - now()), 1)::float8
from grants
where id = %(id)s;

-- name: finish_refresh
-- A token that the authorization server has just given is the best proof that a failed grant lives. The line of the audit
-- goes into the same statement: neither is there without the other.
with stored as (
    update grants
    set status = 'active',
        failure = null,
        generation = generation + 1,
        refresh_token = %(refresh_token)s,
        refresh_started_at = null,
        access_lifetime = %(access_lifetime)s,
        last_refreshed_at = now(),
        expires_at = least(
            now() + make_interval(secs => coalesce(%(refresh_expires_in)s, idle_seconds)),
            activated_at + make_interval(secs => max_seconds)
        )
    where id = %(id)s
      and generation = %(generation)s
      and status in ('active', 'failed')
    returning id
)
insert into audit (at, event, grant_id, issuer, subject, actor, request_id, outcome, key_id, mac)
select %(at)s, %(event)s, id, %(issuer)s, %(subject)s, %(actor)s, %(request_id)s, %(outcome)s, %(key_id)s, %(mac)s
from stored
returning true;

-- name: is_stored
-- Whether this very outcome is there: a sealed value is never made twice.
select true
from grants
where id = %(id)s
  and refresh_token = %(refresh_token)s;

-- name: provider_if_over
select provider
from grants
where id = %(id)s
  and status in ('revoked', 'expired');

-- name: abandon_refresh
update grants
set refresh_started_at = null
where id = %(id)s
  and generation = %(generation)s
  and refresh_started_at = %(intent)s
returning true;

-- name: fail
-- The sealed token is kept: a disabled person can be enabled again. Nothing is sent with it before the owner asks.
update grants
set status = 'failed', failure = %(failure)s, refresh_started_at = null
where id = %(id)s
  and generation = %(generation)s
  and status in ('active', 'failed')
returning true;
