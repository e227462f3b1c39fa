create table if not exists meta (name text primary key, value text not null);
-- A login in a browser. cookie: SHA-256 of the session cookie.
create table if not exists sso_sessions (
    sid text primary key, cookie text unique not null, user_id text not null, auth_time integer not null, expires_at integer not null
);
create table if not exists consents (user_id text, client_id text, scopes text not null, primary key (user_id, client_id));
create table if not exists codes (
    hash text primary key, client_id text not null, user_id text not null, details text not null, expires_at integer not null,
    used integer not null default 0
);
-- What a code was redeemed for: one client session. ended: '' while it lives, else why it ended.
create table if not exists sessions (
    sid text primary key, sso_sid text, client_id text not null, user_id text not null, scope text not null,
    offline integer not null, created_at integer not null, last_used integer not null, ended text not null default ''
);
create table if not exists refresh_tokens (jti text primary key, sid text not null references sessions, uses integer not null);
create table if not exists revoked_access_tokens (jti text primary key, expires_at integer not null);
create table if not exists users (user_id text primary key, enabled integer not null);
