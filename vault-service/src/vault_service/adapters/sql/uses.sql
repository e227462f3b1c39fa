-- name: issue
-- The hot path. One statement checks the grant, counts a limited use and records it; no row means: nothing is issued.
with usable as (
    select id, max_uses
    from grants
    where id = %(grant_id)s
      and issuer = %(issuer)s
      and subject = %(subject)s
      and status = 'active'
      and (not_after is null or not_after > now())
      and (%(is_owner)s or %(actor)s = any (services))
), counted as (
    update grants
    set uses = uses + 1
    where id = (select id from usable where max_uses is not null)
      and uses < max_uses
    returning id
)
insert into audit (at, event, grant_id, issuer, subject, actor, request_id, outcome, key_id, mac)
select %(at)s, %(event)s, id, %(issuer)s, %(subject)s, %(actor)s, %(request_id)s, %(outcome)s, %(key_id)s, %(mac)s
from usable
where max_uses is null
   or exists (select from counted)
returning true;

-- name: issue_many
-- The same for several at once, of grants whose uses are not limited. A MAC stands for one use and no other.
insert into audit (at, event, grant_id, issuer, subject, actor, request_id, outcome, key_id, mac)
select use.at, 'token.issued', g.id, g.issuer, g.subject, use.actor, use.request_id, 'ok', use.key_id, use.mac
from unnest(%(at)s::timestamptz[], %(grant_id)s::uuid[], %(issuer)s::text[], %(subject)s::text[], %(actor)s::text[],
            %(request_id)s::text[], %(key_id)s::smallint[], %(mac)s::bytea[], %(is_owner)s::boolean[])
         as use (at, grant_id, issuer, subject, actor, request_id, key_id, mac, is_owner)
join grants g on g.id = use.grant_id and g.issuer = use.issuer and g.subject = use.subject
where g.status = 'active'
  and g.max_uses is null
  and (g.not_after is null or g.not_after > now())
  and (use.is_owner or use.actor = any (g.services))
returning mac;
