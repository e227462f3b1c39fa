-- name: issue
-- The hot path. One statement checks the grant, counts a limited use and records it; no row means: nothing is issued.
-- Counting may wait for the row, and then looks at all of it again: what was ended meanwhile, or by the clock, is not used.
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
-- The same for several at once, of grants whose uses are not limited: $1 is a JSON array of uses. Each grant is looked up
-- by its id, whatever the planner thinks of the array's length. A MAC stands for one use and no other.
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
