-- What an attempt did with its access, and what it logged.
alter table attempts
    add column ticket_id        uuid,
    add column token_fetched_at timestamptz,
    add column token_expires_at timestamptz,
    add column token_scopes     text[];

-- id orders the lines of a run. fence: the attempt that logged it.
create table run_log (
    id      bigint generated always as identity primary key,
    task_id uuid not null,
    run     integer not null,
    fence   bigint not null,
    at      timestamptz not null,
    level   text not null check (level in ('debug', 'info', 'warning', 'error')),
    message text not null,
    foreign key (task_id, run) references runs on delete cascade
);
create index run_log_of_run on run_log (task_id, run, id);
grant select, insert, update, delete on run_log to tasks;
