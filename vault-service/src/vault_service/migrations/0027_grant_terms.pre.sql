-- What was requested, under a MAC of the audit key terms_key; an active grant's token is bound to its terms instead. Rows
-- of older versions have none: they are accepted if they are older than the migration after the roll-out (0028).
alter table grants
    add column terms_key smallint,
    add column terms_mac bytea;

-- What a ticket may do, under a MAC of the audit key mac_key.
alter table tickets
    add column mac_key smallint,
    add column mac     bytea;

-- Counts of uses never fall, and what has ended stays so, whoever writes the row.
create function forbid_going_back() returns trigger
language plpgsql
as $$
begin
    raise exception 'uses do not fall, and what has ended stays so' using errcode = 'insufficient_privilege';
end
$$;
create trigger uses_do_not_fall before update of uses on grants
    for each row when (new.uses < old.uses) execute function forbid_going_back();
create trigger ends_stay before update of status on grants
    for each row when (old.status in ('revoked', 'expired') and new.status <> old.status)
    execute function forbid_going_back();
create trigger uses_do_not_fall before update of uses on tickets
    for each row when (new.uses < old.uses) execute function forbid_going_back();
create trigger ends_stay before update of ended_at on tickets
    for each row when (old.ended_at is not null and new.ended_at is distinct from old.ended_at)
    execute function forbid_going_back();

-- The service changes what changes, and nothing that decides. created_at is the database's: it tells rows of older versions.
revoke insert, update on grants from vault;
grant insert (id, issuer, subject, provider, token_type, status, task_id, name, asked_by, return_to, scopes, services,
              not_after, max_uses, idle_seconds, max_seconds, consent_expires_at, terms_key, terms_mac) on grants to vault;
grant update (name, status, failure, failure_detail, scopes, uses, provider_session, generation, refresh_token,
              refresh_started_at, access_lifetime, consent_expires_at, activated_at, last_refreshed_at, expires_at, account_issuer,
              account_subject, token_identity, checked_at, refused_since, refused_refreshes, refusals, retry_at, recheck_at)
    on grants to vault;

revoke insert, update on tickets from vault;
grant insert (id, grant_id, secret_hash, name, scopes, maker, made_by_owner, max_uses, expires_at, mac_key, mac)
    on tickets to vault;
grant update (uses, recorded_uses, last_used_at, expires_at, ended_at, mac_key, mac) on tickets to vault;
