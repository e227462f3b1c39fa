-- What outlives a restart. Times are seconds since the epoch.

create table if not exists meta (name text primary key, value text not null);

-- A person who logged in. cookie: SHA-256 of the browser's; null when no browser took part (password grant).
create table if not exists logins (
    sid text primary key,
    cookie text unique,
    user_id text not null,
    auth_time integer not null,
    last_seen integer not null
);

create table if not exists consents (
    user_id text not null,
    client_id text not null,
    scopes text not null,
    primary key (user_id, client_id)
);

-- hash: SHA-256 of the authorization code. login_sid: the login under which it was made.
create table if not exists codes (
    hash text primary key,
    client_id text not null,
    user_id text not null,
    sid text not null,
    login_sid text not null,
    redirect_uri text not null,
    scope text not null,
    nonce text not null,
    code_challenge text not null,
    auth_time integer not null,
    expires_at integer not null,
    used integer not null default 0
);

-- What a code, or a password, was redeemed for. sid: the login's for an online grant, its own for an offline one.
-- generation: of the newest refresh token that was used. ended: '', 'revoked' or 'detached'.
create table if not exists grants (
    id integer primary key,
    sid text not null,
    client_id text not null,
    user_id text not null,
    scope text not null,
    offline integer not null,
    auth_time integer not null,
    generation integer not null default 0,
    refreshes integer not null default 0,
    reuses integer not null default 0,
    created_at integer not null,
    last_used integer not null,
    ended text not null default ''
);
create index if not exists grants_by_session on grants (sid, client_id);

create table if not exists refresh_tokens (
    jti text primary key,
    grant_id integer not null references grants (id) on delete cascade,
    generation integer not null,
    uses integer not null default 0
);
create index if not exists refresh_tokens_by_grant on refresh_tokens (grant_id, generation);

-- hash: SHA-256 of the device code. decision: '', 'approved', 'denied' or 'used', with the login that decided.
create table if not exists devices (
    hash text primary key,
    user_code text not null unique,
    client_id text not null,
    scope text not null,
    nonce text not null,
    code_challenge text not null,
    interval integer not null,
    expires_at integer not null,
    polled_at integer not null,
    decision text not null,
    user_id text not null,
    login_sid text not null
);

create table if not exists revoked_access_tokens (jti text primary key, expires_at integer not null);

create table if not exists users (user_id text primary key, enabled integer not null);

create table if not exists client_secrets (client_id text primary key, secret text not null);
