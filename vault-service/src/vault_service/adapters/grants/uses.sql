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
insert into audit (at, event, grant_id, issuer, subject, actor, request_id, outcome, writer_id, writer_seq, writer_mark,
                   key_id, mac)
select %(at)s, %(event)s, id, %(issuer)s, %(subject)s, %(actor)s, %(request_id)s, %(outcome)s, %(writer_id)s,
       %(writer_seq)s, %(writer_mark)s, %(key_id)s, %(mac)s
from (select id from counted union all select id from unlimited) usable
returning true;

-- name: issue_by_ticket
-- The same with a ticket. The rows of ticket and grant are locked, in this order, and checked as they are then: parallel uses
-- exceed neither limit, and nothing leaves after the one or the other has ended. Their uses count only together.
with ticket as (
    select id, grant_id, max_uses
    from tickets
    where id = %(via_id)s
      and grant_id = %(grant_id)s
      and ended_at is null
      and expires_at > clock_timestamp()
      and (max_uses is null or uses < max_uses)
    for update
), counted as (
    update grants g
    set uses = g.uses + 1
    from ticket
    where g.id = ticket.grant_id
      and g.issuer = %(issuer)s
      and g.subject = %(subject)s
      and g.status = 'active'
      and g.uses < g.max_uses
      and (g.not_after is null or g.not_after > clock_timestamp())
      and (g.expires_at is null or g.expires_at > clock_timestamp())
      and (%(is_owner)s or %(actor)s = any (g.services))
    returning g.id
), unlimited as (
    select g.id
    from ticket
    join grants g on g.id = ticket.grant_id
    where g.issuer = %(issuer)s
      and g.subject = %(subject)s
      and g.status = 'active'
      and g.max_uses is null
      and (g.not_after is null or g.not_after > clock_timestamp())
      and (g.expires_at is null or g.expires_at > clock_timestamp())
      and (%(is_owner)s or %(actor)s = any (g.services))
    for share of g
), usable as materialized (
    select id from counted
    union all
    select id from unlimited
), used as (
    update tickets t
    set uses = t.uses + (t.max_uses is not null)::integer
    from usable
    where t.id = %(via_id)s
    returning usable.id
)
insert into audit (at, event, grant_id, issuer, subject, actor, request_id, outcome, via_id, via_name, task_id, attempt,
                   writer_id, writer_seq, writer_mark, key_id, mac)
select %(at)s, %(event)s, id, %(issuer)s, %(subject)s, %(actor)s, %(request_id)s, %(outcome)s, %(via_id)s, %(via_name)s,
       %(task_id)s, %(attempt)s, %(writer_id)s, %(writer_seq)s, %(writer_mark)s, %(key_id)s, %(mac)s
from used
returning true;

-- name: issue_many
-- The same for several uses of grants and tickets whose uses are not limited. $1: a JSON array of uses. The lateral join makes the planner
-- look each grant up by its id, whatever it expects of the length of the array. A MAC identifies one use.
insert into audit (at, event, grant_id, issuer, subject, actor, request_id, outcome, via_id, via_name, task_id, attempt,
                   writer_id, writer_seq, writer_mark, key_id, mac)
select use.at, 'token.issued', g.id, use.issuer, use.subject, use.actor, use.request_id, 'ok', use.via_id, use.via_name,
       use.task_id, use.attempt, use.writer_id, use.writer_seq, use.writer_mark, use.key_id, decode(use.mac, 'hex')
from json_to_recordset($1)
         as use (at timestamptz, grant_id uuid, issuer text, subject text, actor text, request_id text, key_id smallint,
                 mac text, is_owner boolean, via_id uuid, via_name text, task_id text, attempt bigint, writer_id uuid, writer_seq bigint,
                 writer_mark bigint)
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
    limit 1
) g
returning mac;
