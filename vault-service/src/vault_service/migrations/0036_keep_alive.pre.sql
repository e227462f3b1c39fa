-- An offline grant that nobody uses is refreshed before its authorization server ends it. keep_alive_at: when; null: never. The
-- moment lies between a half and seven tenths of the time that the server lets it idle, at random, so that grants of one minute are
-- not refreshed in one minute. An end that no refresh moves (a limit, the longest life) that comes first needs none.
create function next_keep_alive(token_type text, idle_seconds float8, ends_at timestamptz) returns timestamptz
language sql volatile as $$
    select now() + make_interval(secs => idle_seconds * (0.5 + 0.2 * random()))
    where token_type = 'offline'
      and now() + make_interval(secs => idle_seconds) < coalesce(ends_at, 'infinity')
$$;

alter table grants add column keep_alive_at timestamptz;
create index grants_to_keep_alive on grants (keep_alive_at) where status = 'active' and keep_alive_at is not null;

-- Grants that are there: refreshed within nine tenths of what is left of their idle time, counted from now.
update grants
set keep_alive_at = now() + random() * 0.9 * greatest(
    coalesce(expires_at, last_refreshed_at + interval '30 days') - now(), interval '0'
)
where status = 'active'
  and token_type = 'offline'
  and coalesce(expires_at, last_refreshed_at + interval '30 days')
      < coalesce(least(not_after, activated_at + make_interval(secs => max_seconds)), 'infinity');

-- The service changes grants column by column (0027).
grant update (keep_alive_at) on grants to vault;
