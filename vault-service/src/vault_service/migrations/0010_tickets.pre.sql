-- Tickets: bearer credentials for one grant each. secret_hash: SHA-256 of the 256-bit secret, which is not stored; scopes: empty
-- for all of the grant's; maker: the client that made it, for the owner or as the owner; uses: counted when max_uses limits
-- them; recorded_uses, last_used_at: from the audit's lines that checkpoints cover.
create table tickets (
    id            uuid primary key,
    grant_id      uuid not null references grants on delete cascade,
    secret_hash   bytea not null,
    name          text not null,
    scopes        text[] not null,
    maker         text not null,
    made_by_owner boolean not null,
    max_uses      integer check (max_uses > 0),
    uses          integer not null default 0 check (max_uses is null or uses <= max_uses),
    recorded_uses bigint not null default 0,
    last_used_at  timestamptz,
    created_at    timestamptz not null default now(),
    expires_at    timestamptz not null,
    ended_at      timestamptz
);
create index tickets_of_grant on tickets (grant_id, created_at desc);
create index tickets_by_end on tickets (expires_at);
grant select, insert, update, delete on tickets to vault;

-- By which ticket a caller acted, and why an operator did. Lines without them have the MAC that they always had.
alter table audit
    add column via_id   uuid,
    add column via_name text,
    add column reason   text,
    add check ((via_id is null) = (via_name is null)) not valid;

-- Refreshes that callers forced by naming a refused token, in the hour that began at refused_since.
alter table grants
    add column refused_since     timestamptz,
    add column refused_refreshes integer not null default 0;
