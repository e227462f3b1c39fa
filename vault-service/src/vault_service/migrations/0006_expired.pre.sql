-- A grant whose time or uses are up is over for good, and its token is revoked. Those that may be over one day are looked
-- through once a minute.
alter table grants drop constraint grants_status_check;
alter table grants add check (status in ('pending', 'active', 'failed', 'revoked', 'expired'));
create index grants_with_an_end on grants (id)
    where status = 'active' and (not_after is not null or expires_at is not null or max_uses is not null);
create index grants_that_failed on grants (id) where status = 'failed' and refresh_token is not null;
