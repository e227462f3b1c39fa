-- Deeds that a caller has named with an Idempotency-Key, each with its answer, written with the deed. They hold for 24 hours.
create table idempotency_keys (
    issuer      text not null,
    subject     text not null,
    key         text not null,
    fingerprint bytea not null,
    answer      bytea,
    created_at  timestamptz not null default now(),
    primary key (issuer, subject, key)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);
grant select, insert, update, delete on idempotency_keys to tasks;
