-- name: take_sibling
update grants
set recheck_at = now() + interval '1 minute'
where id = (
    select id
    from grants
    where recheck_at <= now()
    order by recheck_at
    limit 1
    for update skip locked
)
returning id, issuer, subject, provider;

-- name: postpone_sibling
update grants
set recheck_at = now() + make_interval(secs => greatest(%(seconds)s, 60))
where id = %(id)s
  and recheck_at is not null
returning true;

-- name: finish_sibling
update grants
set recheck_at = null
where id = %(id)s
returning true;

-- name: take_unused
update grants
set keep_alive_at = now() + interval '1 minute'
where id = (
    select id
    from grants
    where status = 'active'
      and keep_alive_at <= now()
    order by keep_alive_at
    limit 1
    for update skip locked
)
returning id, issuer, subject, provider;

-- name: postpone_unused
-- About ten more attempts before the idle end: a server that is down for hours is not asked for each grant each minute. When the
-- answer was lost, the old token is sent again as soon as it may be, because servers allow that for a short time only.
update grants
set keep_alive_at = now() + greatest(
    make_interval(secs => greatest(%(seconds)s, 2)),
    case when refresh_started_at is null then (now() - last_refreshed_at) / 20 end
)
where id = %(id)s
  and keep_alive_at is not null
returning true;

-- name: finish_unused
-- A refresh that succeeded has set the next time.
update grants
set keep_alive_at = null
where id = %(id)s
  and not %(is_alive)s
returning true;
