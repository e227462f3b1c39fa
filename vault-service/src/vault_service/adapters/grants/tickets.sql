-- name: lock_grant
-- One ticket of a grant is added at a time, so that together they do not exceed its limit.
select true
from grants
where id = %(grant_id)s
for no key update;

-- name: count_usable
select count(*)
from tickets
where grant_id = %(grant_id)s
  and ended_at is null
  and expires_at > now()
  and (max_uses is null or uses < max_uses);

-- name: add
insert into tickets (id, grant_id, secret_hash, name, scopes, maker, made_by_owner, max_uses, task_id, attempt,
                     expires_at, mac_key, mac)
values (%(id)s, %(grant_id)s, %(secret_hash)s, %(name)s, %(scopes)s, %(maker)s, %(made_by_owner)s, %(max_uses)s,
        %(task_id)s, %(attempt)s, %(expires_at)s, %(mac_key)s, %(mac)s);

-- name: find
-- The last column is true for tickets that an older version may have made, which have no MAC.
-- Without its secret or with it. Uses are those that count against the limit; without a limit those of the audit.
select t.id, t.grant_id, g.issuer, g.subject, t.name, t.scopes, t.maker, t.made_by_owner, t.created_at, t.expires_at,
       t.max_uses, case when t.max_uses is null then t.recorded_uses else t.uses end, t.last_used_at, t.ended_at,
       t.task_id, t.attempt, t.secret_hash, t.mac_key, t.mac,
       t.mac is null
           and t.created_at < coalesce((select applied_at from schema_migrations where name like '0028_%%'), 'infinity')
from tickets t
join grants g on g.id = t.grant_id
where t.id = %(id)s
  and (%(secret_hash)s::bytea is null or t.secret_hash = %(secret_hash)s);

-- name: usable_of
-- Uses are those that checkpoints of the audit have counted, and the lines since.
select t.id, t.grant_id, g.issuer, g.subject, t.name, t.scopes, t.maker, t.made_by_owner, t.created_at, t.expires_at,
       t.max_uses, case when t.max_uses is null then t.recorded_uses + coalesce(recent.uses, 0) else t.uses end,
       greatest(t.last_used_at, recent.last_used_at), t.ended_at,
       t.task_id, t.attempt, t.secret_hash, t.mac_key, t.mac,
       t.mac is null
           and t.created_at < coalesce((select applied_at from schema_migrations where name like '0028_%%'), 'infinity')
from tickets t
join grants g on g.id = t.grant_id
left join (
    select a.via_id, count(*) as uses, max(a.at) as last_used_at
    from audit a
    where a.grant_id = %(grant_id)s
      and a.event = 'token.issued'
      and a.via_id is not null
      and a.id > coalesce((select high from audit_seals order by number desc limit 1), 0)
    group by a.via_id
) recent on recent.via_id = t.id
where t.grant_id = %(grant_id)s
  and g.issuer = %(issuer)s
  and g.subject = %(subject)s
  and g.status not in ('revoked', 'expired')
  and t.ended_at is null
  and t.expires_at > now()
  and (t.max_uses is null or t.uses < t.max_uses)
order by t.created_at desc, t.id;

-- name: extend
update tickets
set expires_at = %(expires_at)s, mac_key = %(mac_key)s, mac = %(mac)s
where id = %(id)s
  and ended_at is null
  and expires_at > clock_timestamp()
  and (max_uses is null or uses < max_uses)
returning true;

-- name: end
update tickets
set ended_at = now()
where id = %(id)s
  and ended_at is null
returning true;
