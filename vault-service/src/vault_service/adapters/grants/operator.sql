-- name: found
-- The grants that an operator looks for; each condition that is null holds for all. The status shows an end that has passed.
select g.id, g.issuer, g.subject, g.provider, seen.status, g.failure, g.services, g.created_at, g.last_refreshed_at,
       least(g.expires_at, g.not_after), g.task_id, g.other_task_ids, coalesce(tickets.usable, 0)
from grants g
cross join lateral (
    select case
               when g.status = 'pending' and g.consent_expires_at <= now() then 'failed'
               when g.status = 'active' and (g.not_after <= now() or g.expires_at <= now() or g.uses >= g.max_uses)
                   then 'expired'
               else g.status
           end as status
) seen
left join lateral (
    select count(*) as usable
    from tickets t
    where t.grant_id = g.id
      and g.status not in ('revoked', 'expired')
      and t.ended_at is null
      and t.expires_at > now()
      and (t.max_uses is null or t.uses < t.max_uses)
) tickets on true
where (%(id)s::uuid is null or g.id = %(id)s)
  and (%(subject)s::text is null or g.subject = %(subject)s)
  and (%(service)s::text is null or %(service)s = any (g.services))
  and (%(provider)s::text is null or g.provider = %(provider)s)
  and (%(status)s::text is null or seen.status = %(status)s)
order by g.created_at, g.id
limit %(limit)s;

-- name: stats
-- Numbers of rows by what they count and their state.
select 'grants', status, count(*)
from grants
group by status
union all
select 'tickets', 'usable', count(*)
from tickets t
join grants g on g.id = t.grant_id
where g.status not in ('revoked', 'expired')
  and t.ended_at is null
  and t.expires_at > now()
  and (t.max_uses is null or t.uses < t.max_uses)
union all
select 'revocations', 'waiting', count(*)
from revocations
where done_at is null
union all
select 'access tokens', 'last hour', count(*)
from audit
where event = 'token.issued'
  and at > now() - interval '1 hour'
  and id > coalesce(
      (select max(high) from audit_seals where sealed_at < now() - interval '1 hour'), 0)
union all
select 'owners', 'with an active grant', count(distinct (issuer, subject))
from grants
where status = 'active'
order by 1, 2;
