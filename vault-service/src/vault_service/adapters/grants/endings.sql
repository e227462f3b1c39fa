-- name: end
update grants
set status = %(status)s, failure = null, refresh_token = null, refresh_started_at = null,
    refusals = '{}', retry_at = null, recheck_at = null, keep_alive_at = null,
    failure_detail = null
where id = %(id)s;

-- name: next_ended
-- A grant whose time or uses are up. Rows that another process has locked are skipped.
select id, issuer, subject, generation, refresh_token, provider, token_type, services, not_after, max_uses, idle_seconds,
       max_seconds, scopes, account_issuer, account_subject, token_identity
from grants
where status = 'active'
  and (not_after <= now() or expires_at <= now() or uses >= max_uses)
order by id
limit 1
for update skip locked;

-- name: next_forgotten
-- A grant that failed, and that nobody has used or checked since: its owner could have had it checked.
select g.id, g.issuer, g.subject, g.generation, g.refresh_token, g.provider, g.token_type, g.services, g.not_after, g.max_uses,
       g.idle_seconds, g.max_seconds, g.scopes, g.account_issuer, g.account_subject, g.token_identity
from grants g
where g.status = 'failed'
  and g.refresh_token is not null
  and not exists (
      select
      from audit a
      where a.grant_id = g.id
        and a.at > now() - make_interval(days => %(days)s)
  )
order by g.id
limit 1
for update skip locked;
