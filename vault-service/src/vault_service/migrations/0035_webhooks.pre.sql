-- Services are told what happens to the grants that they may use. Which of them have a webhook is configured; the vault writes it
-- into webhook_services, so that no message is made for the others.
create table webhook_services (
    service text primary key
);
create table webhook_messages (
    id              uuid primary key default gen_random_uuid(),
    service         text not null,
    event           text not null,
    grant_id        uuid not null,
    issuer          text not null,
    subject         text not null,
    name            text,
    task_id         text,
    failure         text,
    ends_at         timestamptz,
    created_at      timestamptz not null default clock_timestamp(),
    attempts        integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    outcome         text,
    done_at         timestamptz,
    check ((done_at is null) = (outcome is null))
);
create index webhook_messages_due on webhook_messages (next_attempt_at) where done_at is null;
grant select, insert, delete on webhook_services to vault;
grant select, insert, update, delete on webhook_messages to vault;

-- announced_end: the end that services have been told of.
alter table grants add column announced_end timestamptz;
grant update (announced_end) on grants to vault;

-- Whatever changes a grant, its message is part of the same transaction.
create function announce_grant() returns trigger language plpgsql as $$
declare
    happened text := case
        when new.status = 'active' and old.status = 'pending' then 'grant.activated'
        when new.status = 'active' and old.status = 'failed' then 'grant.recovered'
        when new.status = 'active' and new.announced_end is not null then 'grant.expiring'
        when new.status in ('failed', 'revoked', 'expired') and new.status <> old.status then 'grant.' || new.status
    end;
begin
    insert into webhook_messages (service, event, grant_id, issuer, subject, name, task_id, failure, ends_at)
    select w.service, happened, new.id, new.issuer, new.subject, new.name, new.task_id, new.failure,
           case when happened = 'grant.expiring' then new.announced_end end
    from webhook_services w
    where w.service = any (new.services)
      and happened is not null;
    return null;
end
$$;
create trigger announce_grant
    after update of status, announced_end on grants
    for each row
    when (old.status is distinct from new.status or old.announced_end is distinct from new.announced_end)
    execute function announce_grant();
