-- name: remember
-- Nothing when the token was received before.
insert into logout_tokens (provider, id_hash, expires_at)
values (%(provider)s, %(id_hash)s, %(expires_at)s)
on conflict do nothing
returning true;

-- name: of_login
-- The grants of a login that has ended. Offline grants outlive it unless the authorization server says otherwise.
select g.id, g.issuer, g.subject, g.generation, g.refresh_token, g.provider, g.token_type, g.services, g.not_after, g.max_uses,
       g.idle_seconds, g.max_seconds, g.scopes, g.account_issuer, g.account_subject, g.token_identity
from grants g
where g.provider = %(provider)s
  and (g.status = 'active' or g.status = 'failed' and g.refresh_token is not null)
  and (g.token_type = 'refresh' or %(ends_offline)s)
  and (%(session)s::text is null or g.provider_session = %(session)s)
  and (
      %(account_subject)s::text is null
      or coalesce(g.account_issuer, g.issuer) = %(account_issuer)s
         and coalesce(g.account_subject, g.subject) = %(account_subject)s
  )
order by g.id
for update;
