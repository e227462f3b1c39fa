-- name: consent_requests
-- They can no longer be answered. For a day the callback still tells that they have expired.
delete from consent_requests
where expires_at < now() - interval '1 day';

-- name: logout_tokens
-- They are too old to be accepted again.
delete from logout_tokens
where expires_at < now() - interval '1 hour';

-- name: tickets
-- For a week their use still tells why they give nothing.
delete from tickets
where expires_at < now() - interval '7 days'
   or ended_at < now() - interval '7 days';

-- name: webhook_messages
-- What was delivered, or given up, a week ago.
delete from webhook_messages
where done_at < now() - interval '7 days';

-- name: revocations
delete from revocations
where done_at < now() - make_interval(days => %(days)s);

-- name: grants
-- Grants that were never consented to, or ended long ago. Their audit is kept.
delete from grants g
where g.created_at < now() - make_interval(days => %(days)s)
  and (
      g.status in ('revoked', 'expired')
      or g.status in ('pending', 'failed') and g.activated_at is null
  )
  and not exists (
      select
      from audit a
      where a.grant_id = g.id
        and a.at > now() - make_interval(days => %(days)s)
  );

-- name: uses
delete from grant_uses u
where not exists (select from grants g where g.id = u.grant_id)
  and u.last_used_at < now() - make_interval(days => %(days)s);
