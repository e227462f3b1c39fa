-- name: issue
-- The hot path. One statement checks the grant, counts a limited use and records it; without a row no token is issued.
-- Counting can wait for the row's lock and checks the whole row again then, so that a grant which ended meanwhile is not used.
with counted as (
    update grants
    set uses = uses + 1
    where id = %(grant_id)s
      and issuer = %(issuer)s
      and subject = %(subject)s
      and status = 'active'
      and uses < max_uses
      and (not_after is null or not_after > clock_timestamp())
      and (expires_at is null or expires_at > clock_timestamp())
      and (%(is_owner)s or %(actor)s = any (services))
    returning id
), unlimited as (
    select id
    from grants
    where id = %(grant_id)s
      and issuer = %(issuer)s
      and subject = %(subject)s
      and status = 'active'
      and max_uses is null
      and (not_after is null or not_after > now())
      and (expires_at is null or expires_at > now())
      and (%(is_owner)s or %(actor)s = any (services))
)
insert into audit (at, event, grant_id, issuer, subject, actor, request_id, outcome, key_id, mac)
select %(at)s, %(event)s, id, %(issuer)s, %(subject)s, %(actor)s, %(request_id)s, %(outcome)s, %(key_id)s, %(mac)s
from (select id from counted union all select id from unlimited) usable
returning true;

-- name: issue_many
-- The same for several uses of grants whose uses are not limited. $1: a JSON array of uses. The lateral join makes the planner
-- look each grant up by its id, whatever it expects of the length of the array. A MAC identifies one use.
insert into audit (at, event, grant_id, issuer, subject, actor, request_id, outcome, key_id, mac)
select use.at, 'token.issued', g.id, use.issuer, use.subject, use.actor, use.request_id, 'ok', use.key_id,
       decode(use.mac, 'hex')
from json_to_recordset($1)
         as use (at timestamptz, grant_id uuid, issuer text, subject text, actor text, request_id text, key_id smallint,
                 mac text, is_owner boolean)
cross join lateral (
    select id
    from grants
    where id = use.grant_id
      and issuer = use.issuer
      and subject = use.subject
      and status = 'active'
      and max_uses is null
      and (not_after is null or not_after > now())
      and (expires_at is null or expires_at > now())
      and (use.is_owner or use.actor = any (services))
    limit 1
) g
returning mac;
