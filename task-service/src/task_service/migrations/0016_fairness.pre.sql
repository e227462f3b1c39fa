-- Priorities of tasks, and a queue that is fair between owners: see `domain/fairness.py`.
alter table tasks add column urgency smallint not null default 1 check (urgency between 0 and 2);

-- queue_tag: the place of a queued run in the queue, the lowest first; the engine's priority is its negative.
-- urgency: that of its task when it was queued.
alter table runs
    add column urgency   smallint not null default 1,
    add column queue_tag bigint not null default 0;
create index runs_queued on runs (issuer, subject, urgency, queue_tag) where status = 'queued';
