-- A task says how often a run is attempted; a run says why it was cancelled or waits, and until when.
alter table tasks
    add column max_attempts        smallint not null default 1 check (max_attempts between 1 and 20),
    add column backoff_seconds     double precision not null default 10 check (backoff_seconds >= 0),
    add column max_backoff_seconds double precision not null default 600,
    add check (max_backoff_seconds >= backoff_seconds);

-- failures: attempts that ended with an error and were followed by another. waiting_since: a time that lies ahead is
-- that of a clock which was set back since.
alter table runs
    add column reason          text,
    add column failures        smallint not null default 0,
    add column waiting_since   timestamptz,
    add column next_attempt_at timestamptz,
    add check ((waiting_since is null) = (next_attempt_at is null)),
    add check (next_attempt_at is null or coalesce(wait_reason = 'retry', false));

create index runs_to_retry on runs (next_attempt_at) where next_attempt_at is not null;
create index runs_waiting_since on runs (waiting_since) where waiting_since is not null;

alter table attempts add column error text;
