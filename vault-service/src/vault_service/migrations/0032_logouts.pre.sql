-- Logout tokens that were received (OpenID Connect Back-Channel Logout 1.0): each counts once. id_hash: SHA-256 of its `jti`.
create table logout_tokens (
    provider   text        not null,
    id_hash    bytea       not null,
    expires_at timestamptz not null,
    primary key (provider, id_hash)
);
create index logout_tokens_by_end on logout_tokens (expires_at);
grant select, insert, delete on logout_tokens to vault;
