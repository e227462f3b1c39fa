-- What a ticket was made for: an attempt of a task, in the words of the service that made it. Lines of the audit without it
-- have the MAC that they always had.
alter table tickets
    add column task_id text,
    add column attempt bigint,
    add check ((task_id is null) = (attempt is null)) not valid;
alter table audit
    add column task_id text,
    add column attempt bigint,
    add check ((task_id is null) = (attempt is null)) not valid;
