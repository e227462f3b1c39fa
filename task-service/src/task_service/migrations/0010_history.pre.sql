-- What an attempt did with its access, and what it logged. superseded: a later run exists, so this one can be cleaned away.
alter table runs add column superseded boolean not null default false;
update runs r
set superseded = true
from tasks t
where t.id = r.task_id
  and r.number < t.last_run;
create index runs_by_age on runs (completed_at) where superseded;

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
