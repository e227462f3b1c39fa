-- The audit's chain. A seal covers lines that were there when it was made: ids, in inclusive ranges. high: the highest
-- line number seen; missing: numbers below it that no line has had yet, for a transaction may end after a later one.
-- chain: SHA-256 over the seal before and over number and MAC of every line; mac: keyed by an audit key, over the seal.
create table audit_seals (
    number    bigint primary key,
    high      bigint not null,
    ids       int8multirange not null,
    missing   bigint[] not null,
    lines     integer not null,
    chain     bytea not null,
    sealed_at timestamptz not null,
    key_id    smallint not null,
    mac       bytea not null
);

-- What was lawfully removed: the lines of all seals up to and with `through`. The seals stay.
create table audit_prunings (
    through   bigint primary key,
    pruned_at timestamptz not null,
    key_id    smallint not null,
    mac       bytea not null
);

-- Uses that sealed lines tell of, so that nobody has to count them again.
create table grant_uses (
    grant_id     uuid primary key,
    uses         bigint not null,
    last_used_at timestamptz not null
);

grant select, insert on audit_seals to vault;
grant select on audit_prunings to vault;
grant select, insert, update, delete on grant_uses to vault;
