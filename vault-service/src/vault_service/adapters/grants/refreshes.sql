-- name: state
select status, failure, generation, refresh_token, access_lifetime,
       coalesce(extract(epoch from clock_timestamp() - last_refreshed_at), 0)::float8,
       extract(epoch from clock_timestamp() - refresh_started_at)::float8,
       consent_expires_at <= now(),
       refusals, greatest(extract(epoch from retry_at - clock_timestamp()), 0)::float8,
       coalesce(not_after <= now(), false) or coalesce(expires_at <= now(), false) or coalesce(uses >= max_uses, false),
       extract(epoch from expires_at - clock_timestamp())::float8,
       provider, token_type, services, not_after, max_uses, idle_seconds, max_seconds, scopes, account_issuer,
       account_subject, token_identity
from grants
where id = %(id)s
  and issuer = %(issuer)s
  and subject = %(subject)s;

-- name: claim_check
-- Once a minute for each grant, for all callers of all replicas together.
update grants
set checked_at = now()
where id = %(id)s
  and (checked_at is null or checked_at <= now() - interval '1 minute')
returning true;

-- name: next_check
select greatest(extract(epoch from checked_at + interval '1 minute' - now()), 1)::float8
from grants
where id = %(id)s;

-- name: claim_forced
-- A budget for each hour, which begins with its first forced refresh, for all callers of all replicas together.
update grants
set refused_since = case when refused_since > now() - interval '1 hour' then refused_since else now() end,
    refused_refreshes = case when refused_since > now() - interval '1 hour' then refused_refreshes + 1 else 1 end
where id = %(id)s
  and (refused_since is null or refused_since <= now() - interval '1 hour' or refused_refreshes < %(budget)s)
returning true;

-- name: next_forced
select greatest(extract(epoch from refused_since + interval '1 hour' - now()), 1)::float8
from grants
where id = %(id)s;

-- name: begin
-- Only for a grant that has not changed since it was read: then it need not be read again.
update grants
set refresh_started_at = clock_timestamp()
where id = %(id)s
  and generation = %(generation)s
  and status = %(status)s
  and (refresh_started_at is null) = %(is_idle)s
returning refresh_started_at;

-- name: begin_alone
-- Take the grant's lock if it is free, and write the intent in the same round trip. The lock outlives the statement, and its
-- transaction if that fails.
with lock as materialized (
    select pg_try_advisory_lock(%(lock)s) as is_held
), begun as (
    update grants
    set refresh_started_at = clock_timestamp()
    from lock
    where lock.is_held
      and id = %(id)s
      and generation = %(generation)s
      and status = %(status)s
      and refresh_started_at is null
    returning refresh_started_at
)
select is_held, (select refresh_started_at from begun)
from lock;

-- name: finish
-- A failed grant is active again: that the authorization server has just given a token proves it. An answer that is of no
-- other use than its refresh token leaves the status as it is, or fails the grant; the token is stored in any case. The line
-- of the audit is part of the statement, so neither is stored without the other. The use of the caller that waits is recorded
-- with it, if its conditions hold as in `issue_many`: true is returned then. uses: a JSON array of none or one.
with stored as (
    update grants
    set status = case
            when %(failure)s::text is not null then 'failed'
            when %(is_usable)s then 'active'
            else status
        end,
        failure = case when %(is_usable)s or %(failure)s::text is not null then %(failure)s::text else failure end,
        failure_detail = case when %(is_usable)s then null else %(detail)s::jsonb end,
        refusals = case when %(is_usable)s then '{}' else refusals end,
        retry_at = case when %(pause)s > 0 then now() + make_interval(secs => %(pause)s) end,
        generation = generation + 1,
        refresh_token = %(refresh_token)s,
        refresh_started_at = null,
        access_lifetime = coalesce(%(access_lifetime)s, access_lifetime),
        last_refreshed_at = now(),
        expires_at = least(
            now() + make_interval(secs => coalesce(%(refresh_expires_in)s, idle_seconds)),
            activated_at + make_interval(secs => max_seconds)
        ),
        keep_alive_at = next_keep_alive(
            token_type,
            coalesce(%(refresh_expires_in)s::float8, idle_seconds, %(assumed_idle)s),
            least(not_after, activated_at + make_interval(secs => max_seconds))
        )
    where id = %(id)s
      and generation = %(generation)s
      and status in ('active', 'failed')
    returning id, issuer, subject, status, services, max_uses, not_after, expires_at
), line as (
    insert into audit (at, event, grant_id, issuer, subject, actor, request_id, outcome, writer_id, writer_seq, writer_mark,
                       key_id, mac)
    select %(at)s, %(event)s, id, %(issuer)s, %(subject)s, %(actor)s, %(request_id)s, %(outcome)s, %(writer_id)s,
           %(writer_seq)s, %(writer_mark)s, %(key_id)s, %(mac)s
    from stored
    returning true
), used as (
    insert into audit (at, event, grant_id, issuer, subject, actor, request_id, outcome, via_id, via_name, task_id, attempt,
                       writer_id, writer_seq, writer_mark, key_id, mac)
    select use.at, 'token.issued', g.id, use.issuer, use.subject, use.actor, use.request_id, 'ok', use.via_id, use.via_name,
           use.task_id, use.attempt, use.writer_id, use.writer_seq, use.writer_mark, use.key_id, decode(use.mac, 'hex')
    from line
    cross join stored g
    join json_to_recordset(%(uses)s::json)
             as use (at timestamptz, grant_id uuid, issuer text, subject text, actor text, request_id text, key_id smallint,
                     mac text, is_owner boolean, via_id uuid, via_name text, task_id text, attempt bigint, writer_id uuid,
                     writer_seq bigint, writer_mark bigint) on use.grant_id = g.id
    where g.issuer = use.issuer
      and g.subject = use.subject
      and g.status = 'active'
      and g.max_uses is null
      and (g.not_after is null or g.not_after > now())
      and (g.expires_at is null or g.expires_at > now())
      and (use.is_owner or use.actor = any (g.services))
      and (
          use.via_id is null
          or exists (
              select
              from tickets t
              where t.id = use.via_id
                and t.grant_id = use.grant_id
                and t.max_uses is null
                and t.ended_at is null
                and t.expires_at > now()
          )
      )
    returning true
)
select exists (select from used)
from line;

-- name: is_stored
-- Whether this very outcome is stored: no two sealed values are equal.
select true
from grants
where id = %(id)s
  and refresh_token = %(refresh_token)s;

-- name: provider_if_ended
select provider
from grants
where id = %(id)s
  and status in ('revoked', 'expired');

-- name: abandon
update grants
set refresh_started_at = null
where id = %(id)s
  and generation = %(generation)s
  and refresh_started_at = %(intent)s
returning true;

-- name: postpone
-- This grant alone is left alone for a while. The intent of an earlier attempt whose answer was lost stays.
update grants
set retry_at = now() + make_interval(secs => %(seconds)s),
    failure_detail = %(detail)s,
    refresh_started_at = case when %(is_idle)s then null else refresh_started_at end
where id = %(id)s
  and generation = %(generation)s
returning true;

-- name: refuse
-- The server has answered, so the intent is gone.
update grants
set refusals = refusals || %(word)s::text,
    retry_at = now() + make_interval(secs => %(seconds)s),
    failure_detail = %(detail)s,
    refresh_started_at = null
where id = %(id)s
  and generation = %(generation)s
  and status in ('active', 'failed')
returning true;

-- name: fail
-- The sealed token is kept, because a disabled person can be enabled again. It is not sent before the owner asks for a
-- check.
update grants
set status = 'failed', failure = %(failure)s, failure_detail = %(detail)s, refusals = '{}', retry_at = null,
    refresh_started_at = null
where id = %(id)s
  and generation = %(generation)s
  and status in ('active', 'failed')
returning true;
