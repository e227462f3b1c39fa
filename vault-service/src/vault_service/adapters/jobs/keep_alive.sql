-- name: schedule
-- Offline grants that nobody uses are refreshed between a half and seven tenths of the time that their server lets them idle; the
-- moment depends on the id, so that grants of one minute are not refreshed in one minute. An end that does not move (the longest
-- life, an hour or less to go) is left alone.
update grants
set recheck_at = now()
where id in (
    select id
    from grants
    where status = 'active'
      and token_type = 'offline'
      and recheck_at is null
      and expires_at > now()
      and expires_at - last_refreshed_at > interval '1 hour'
      and (max_seconds is null or expires_at < activated_at + make_interval(secs => max_seconds))
      and now() >= last_refreshed_at
          + (expires_at - last_refreshed_at) * (0.5 + 0.2 * abs(hashtext(id::text)::bigint) / 2147483648.0)
    order by expires_at
    limit %(most)s
);

-- name: announce
-- Tells services of an end that will come: a limit, the longest life, or an idle end that keeping alive has not moved.
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
