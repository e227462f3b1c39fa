-- name: announce
-- Tells services of an end that will come: a limit, the longest life, or an idle end that keeping alive has not moved in time.
with ending as (
    select g.id,
           least(
               g.not_after,
               g.activated_at + make_interval(secs => g.max_seconds),
               case
                   when g.token_type = 'offline'
                        and now() > g.last_refreshed_at + (g.expires_at - g.last_refreshed_at) * 0.8
                   then g.expires_at
               end
           ) as ends_at
    from grants g
    where g.status = 'active'
      and (g.not_after is not null or g.max_seconds is not null or g.expires_at is not null)
)
update grants g
set announced_end = ending.ends_at
from ending
where g.id = ending.id
  and ending.ends_at between now() and now() + make_interval(secs => %(notice)s)
  and g.announced_end is distinct from ending.ends_at;
