-- name: of_owner
-- One page: active grants first, then pending, failed and ended ones, in each rank the newest first. The status shows an expired
-- consent and an end that has passed, whatever the row says. Uses are those that checkpoints of the audit have counted, and the
-- lines since; they are counted for the page only. A grant is kept alive while its idle end is not announced.
with page as (
    select g.*, seen.status as seen_status, placed.rank
    from grants g
    cross join lateral (
        select case
                   when g.status = 'pending' and g.consent_expires_at <= now() then 'failed'
                   when g.status = 'active' and (g.not_after <= now() or g.expires_at <= now() or g.uses >= g.max_uses)
                       then 'expired'
                   else g.status
               end as status
    ) seen
    cross join lateral (
        select array_position(array['active', 'pending', 'failed'], seen.status) as rank
    ) known
    cross join lateral (select coalesce(known.rank, 4) as rank) placed
    where g.issuer = %(issuer)s
      and g.subject = %(subject)s
      and (%(task_id)s::text is null or g.task_id = %(task_id)s or %(task_id)s = any (g.other_task_ids))
      and (%(ids)s::uuid[] is null or g.id = any (%(ids)s))
      and (%(service)s::text is null or %(service)s = any (g.services))
      and (%(name)s::text is null or g.name = %(name)s)
      and (
          %(after_rank)s::integer is null
          or placed.rank > %(after_rank)s
          or placed.rank = %(after_rank)s
             and (g.created_at < %(after_time)s or g.created_at = %(after_time)s and g.id > %(after_id)s)
      )
    order by placed.rank, g.created_at desc, g.id
    limit %(limit)s
)
select g.id, g.issuer, g.subject, g.seen_status,
       case
           when g.status = 'pending' and g.consent_expires_at <= now() then 'consent_expired'
           else g.failure
       end,
       g.provider, g.token_type, g.task_id, g.scopes, g.services, g.not_after, g.max_uses,
       coalesce(counted.uses, 0) + recent.uses,
       g.created_at, g.activated_at, greatest(counted.last_used_at, recent.last_used_at), g.last_refreshed_at,
       g.expires_at, g.account_issuer, g.account_subject, g.failure_detail, g.name, g.asked_by, g.return_to,
       g.consent_expires_at, g.other_task_ids,
       g.seen_status = 'active'
       and g.keep_alive_at is not null
       and coalesce(now() <= g.last_refreshed_at + (g.expires_at - g.last_refreshed_at) * 0.8, true)
from page g
left join grant_uses counted on counted.grant_id = g.id
cross join lateral (
    select count(*) as uses, max(a.at) as last_used_at
    from audit a
    where a.grant_id = g.id
      and a.event = 'token.issued'
      and a.id > coalesce((select high from audit_seals order by number desc limit 1), 0)
) recent
order by g.rank, g.created_at desc, g.id;

-- name: owner_of
select issuer, subject
from grants
where id = %(id)s;

-- name: for_update
-- Locks the grant and all that share its session, always in the same order: of two that are revoked at once, the second
-- sees the first.
select g.status, g.id, g.issuer, g.subject, g.generation, g.refresh_token, g.provider, g.token_type, g.services, g.not_after,
       g.max_uses, g.idle_seconds, g.max_seconds, g.scopes, g.account_issuer, g.account_subject, g.token_identity
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

-- name: rename
update grants
set name = %(name)s
where id = %(id)s
  and issuer = %(issuer)s
  and subject = %(subject)s
returning true;
