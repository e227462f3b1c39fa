-- The service changes what changes, and nothing that decides. created_at is the database's: it tells rows of older versions.
revoke insert, update on grants from vault;
grant insert (id, issuer, subject, provider, token_type, status, task_id, name, asked_by, return_to, scopes, services, not_after, max_uses, idle_seconds,
              max_seconds, consent_expires_at, terms_key, terms_mac) on grants to vault;
grant update (name, status, failure, failure_detail, scopes, uses, provider_session, generation, refresh_token, refresh_started_at,
              access_lifetime, consent_expires_at, activated_at, last_refreshed_at, expires_at, account_issuer,
              account_subject, token_identity, checked_at, refused_since, refused_refreshes, refusals, retry_at, recheck_at)
    on grants to vault;

revoke insert, update on tickets from vault;
grant insert (id, grant_id, secret_hash, name, scopes, maker, made_by_owner, max_uses, expires_at, mac_key, mac)
    on tickets to vault;
grant update (uses, recorded_uses, last_used_at, expires_at, ended_at, mac_key, mac) on tickets to vault;

-- Keys are changed by the owner of the schema. The service creates the first of each purpose and nothing more.
revoke insert, update on sealing_keys from vault;
grant insert on sealing_keys to vault;
create function only_the_first_key() returns trigger
language plpgsql
as $$
begin
    if current_user <> (select tableowner from pg_tables where tablename = 'sealing_keys' and schemaname = 'public')
       and exists (select from sealing_keys where purpose = new.purpose) then
        raise exception 'keys are changed by the owner of the schema' using errcode = 'insufficient_privilege';
    end if;
    return new;
end
$$;
create trigger only_the_first_key before insert on sealing_keys
    for each row execute function only_the_first_key();
