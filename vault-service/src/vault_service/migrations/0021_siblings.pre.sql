-- At a server that names no sessions, the revocation of one grant can end others of the same account. recheck_at: when such
-- a grant is to be checked there; null: not.
alter table grants add column recheck_at timestamptz;
create index grants_to_recheck on grants (recheck_at) where recheck_at is not null;
