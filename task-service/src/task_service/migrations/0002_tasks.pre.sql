-- Tasks and their attempts. A task holds the id of an offline token, never a token.

-- version grows whenever one of the owner's tasks changes: a page that polls compares it and needs no list.
create table owners (
    issuer           text not null,
    subject          text not null,
    version          bigint not null default 0,
    token_checked_at timestamptz not null default 'epoch',
    primary key (issuer, subject)
);

-- fence grows with each attempt; a write that carries an old one changes nothing. job_id: the engine's job.
create table tasks (
    id                  uuid primary key,
    issuer              text not null,
    subject             text not null,
    name                text not null check (char_length(name) between 1 and 200),
    description         text not null check (char_length(description) <= 2000),
    status              text not null default 'pending'
                        check (status in ('pending', 'queued', 'running', 'completed', 'failed', 'cancelled')),
    persistent_token_id uuid,
    token_status        text check (token_status in ('pending', 'active', 'failed')),
    result              text,
    error               text,
    progress            smallint check (progress between 0 and 100),
    fence               bigint not null default 0,
    crashes             smallint not null default 0,
    job_id              bigint,
    created_at          timestamptz not null default now(),
    started_at          timestamptz,
    completed_at        timestamptz,
    check ((persistent_token_id is null) = (token_status is null))
);
create index tasks_under_way on tasks (job_id) where status in ('queued', 'running');
create index tasks_of_owner on tasks (issuer, subject, created_at desc, id);

-- One execution: which token it used, when, and how it ended.
create table attempts (
    task_id             uuid not null references tasks on delete cascade,
    fence               bigint not null,
    persistent_token_id uuid not null,
    queued_at           timestamptz not null default now(),
    started_at          timestamptz,
    ended_at            timestamptz,
    outcome             text check (outcome in ('completed', 'failed', 'token_failed', 'requeued', 'crashed')),
    primary key (task_id, fence)
);

create function bump_owner_version() returns trigger language plpgsql as $$
begin
    insert into owners (issuer, subject, version)
    values (coalesce(new.issuer, old.issuer), coalesce(new.subject, old.subject), 1)
    on conflict (issuer, subject) do update set version = owners.version + 1;
    return null;
end
$$;
create trigger tasks_change_version after insert or update or delete on tasks
    for each row execute function bump_owner_version();

grant select, insert, update, delete on owners, tasks, attempts to tasks;
