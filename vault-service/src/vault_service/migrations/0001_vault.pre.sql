-- The vault's tables. The owner of the schema runs this; the service itself connects as role "vault", which may not
-- change or remove a line of the audit.

-- Keys that seal values at rest, each wrapped by the root key, which is never stored here.
create table sealing_keys (
    id         smallint primary key,
    purpose    text not null check (purpose in ('data', 'audit')),
    state      text not null check (state in ('active', 'retiring')),
    wrapped    bytea not null,
    created_at timestamptz not null default now()
);
create unique index one_active_key_for_each_purpose on sealing_keys (purpose) where state = 'active';

-- One person's permission. generation counts refreshes and fences writes; refresh_started_at is the intent: a refresh
-- of this generation was begun and its outcome is not written down. provider_session: the authorization server's name for
-- the session behind the token; grants that were consented to in one browser may share it, and then live and die together
-- there.
create table grants (
    id                 uuid primary key,
    issuer             text not null,
    subject            text not null,
    provider           text not null,
    token_type         text not null check (token_type in ('offline', 'refresh')),
    status             text not null check (status in ('pending', 'active', 'failed', 'revoked')),
    failure            text check ((failure is not null) = (status = 'failed')),
    task_id            text,
    scopes             text[] not null,
    services           text[] not null,
    not_after          timestamptz,
    max_uses           integer check (max_uses > 0),
    uses               integer not null default 0 check (max_uses is null or uses <= max_uses),
    provider_session   text,
    generation         bigint not null default 0,
    refresh_token      bytea check (status <> 'active' or refresh_token is not null),
    refresh_started_at timestamptz,
    access_lifetime    real,
    consent_expires_at timestamptz not null,
    created_at         timestamptz not null default now(),
    activated_at       timestamptz,
    last_refreshed_at  timestamptz,
    expires_at         timestamptz
);
create index grants_of_session on grants (provider, provider_session) where provider_session is not null;
create index grants_of_owner on grants (issuer, subject, created_at desc);

-- What a callback answers. A request is claimed once, before its code is redeemed. secrets: the sealed code_verifier
-- and nonce; browser_hash: the hash of the cookie that must come back, when a browser client asked.
create table consent_requests (
    state_hash   bytea primary key,
    grant_id     uuid not null references grants on delete cascade,
    secrets      bytea not null,
    browser_hash bytea,
    expires_at   timestamptz not null,
    claimed_at   timestamptz
);
create index consent_requests_of_grant on consent_requests (grant_id);

-- Tokens that are over here and still have to be revoked at the authorization server.
create table revocations (
    id              uuid primary key,
    grant_id        uuid not null,
    issuer          text not null,
    subject         text not null,
    provider        text not null,
    refresh_token   bytea,
    attempts        integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    outcome         text,
    done_at         timestamptz,
    created_at      timestamptz not null default now(),
    check ((done_at is null) = (outcome is null)),
    check (done_at is null or refresh_token is null)
);
create index revocations_due on revocations (next_attempt_at) where done_at is null;

-- Every use, refresh, consent and revocation; it outlives the grant. mac: keyed by an audit key, over all that is said.
create table audit (
    id         bigint generated always as identity primary key,
    at         timestamptz not null,
    event      text not null,
    grant_id   uuid not null,
    issuer     text not null,
    subject    text not null,
    actor      text not null,
    request_id text not null,
    outcome    text not null,
    key_id     smallint not null,
    mac        bytea not null
);
create index audit_of_grant on audit (grant_id, id);

grant select, insert, update on sealing_keys, grants, consent_requests, revocations to vault;
grant delete on grants, consent_requests, revocations to vault;
grant select, insert on audit to vault;
