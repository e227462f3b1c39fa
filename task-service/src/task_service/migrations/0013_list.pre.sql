-- The list at scale: every order and filter has its index, and the number of tasks in each state is kept.
--
-- list_versions counts, beside the version, the owner's tasks and the latest run of each by state. Its slots are summed.
-- at_work: queued or running, since the step from the one to the other is written by no trigger. Tasks without a run are
-- the rest.
lock table tasks in share row exclusive mode;
lock table runs in access exclusive mode;

alter table list_versions
    add column tasks     bigint not null default 0,
    add column waiting   bigint not null default 0,
    add column at_work   bigint not null default 0,
    add column completed bigint not null default 0,
    add column failed    bigint not null default 0,
    add column cancelled bigint not null default 0;

-- latest: it is the run that its task shows. task_created_at: the task's, for the order of a list of one state.
alter table runs
    add column latest          boolean not null default false,
    add column task_created_at timestamptz;
update runs r
set latest = r.number = t.last_run, task_created_at = t.created_at
from tasks t
where t.id = r.task_id;
alter table runs alter column task_created_at set not null;

-- The tasks that have no run, in the list's order. An index on `tasks` with that condition would cost each run more.
create table unstarted_tasks (
    task_id    uuid primary key references tasks on delete cascade,
    issuer     text not null,
    subject    text not null,
    created_at timestamptz not null
);
insert into unstarted_tasks (task_id, issuer, subject, created_at)
select t.id, t.issuer, t.subject, t.created_at
from tasks t
where not exists (select from runs r where r.task_id = t.id);

insert into list_versions (issuer, subject, slot, version, tasks, waiting, at_work, completed, failed, cancelled)
select t.issuer, t.subject, 0, 1, count(*), count(*) filter (where r.status = 'waiting'),
       count(*) filter (where r.status in ('queued', 'running')), count(*) filter (where r.status = 'completed'),
       count(*) filter (where r.status = 'failed'), count(*) filter (where r.status = 'cancelled')
from tasks t
left join runs r on r.task_id = t.id and r.latest
group by t.issuer, t.subject
on conflict (issuer, subject, slot) do update
set version = list_versions.version + 1, tasks = excluded.tasks, waiting = excluded.waiting,
    at_work = excluded.at_work, completed = excluded.completed, failed = excluded.failed,
    cancelled = excluded.cancelled;

create function change_list(whose text, who text, made integer, before text, after text) returns void
language plpgsql as $$
begin
    insert into list_versions as l (issuer, subject, slot, version, tasks, waiting, at_work, completed, failed, cancelled)
    values (whose, who, pg_backend_pid() % 16, 1, made,
            coalesce((after = 'waiting')::integer, 0) - coalesce((before = 'waiting')::integer, 0),
            coalesce((after in ('queued', 'running'))::integer, 0)
                - coalesce((before in ('queued', 'running'))::integer, 0),
            coalesce((after = 'completed')::integer, 0) - coalesce((before = 'completed')::integer, 0),
            coalesce((after = 'failed')::integer, 0) - coalesce((before = 'failed')::integer, 0),
            coalesce((after = 'cancelled')::integer, 0) - coalesce((before = 'cancelled')::integer, 0))
    on conflict (issuer, subject, slot) do update
    set version = l.version + 1, tasks = l.tasks + excluded.tasks, waiting = l.waiting + excluded.waiting,
        at_work = l.at_work + excluded.at_work, completed = l.completed + excluded.completed,
        failed = l.failed + excluded.failed, cancelled = l.cancelled + excluded.cancelled;
end
$$;

create function tasks_change_list() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into unstarted_tasks (task_id, issuer, subject, created_at)
        values (new.id, new.issuer, new.subject, new.created_at);
        perform change_list(new.issuer, new.subject, 1, null, null);
    elsif tg_op = 'DELETE' then
        perform change_list(old.issuer, old.subject, -1, null, null);
    else
        perform change_list(new.issuer, new.subject, 0, null, null);
    end if;
    return null;
end
$$;

create function runs_know_their_task() returns trigger language plpgsql as $$
begin
    new.task_created_at := (select created_at from tasks where id = new.task_id);
    new.latest := not exists (select from runs where task_id = new.task_id and number > new.number);
    return new;
end
$$;

create function runs_change_list() returns trigger language plpgsql as $$
declare
    before text;
begin
    if tg_op = 'DELETE' then
        perform change_list(old.issuer, old.subject, 0, old.status, null);
    elsif tg_op = 'UPDATE' then
        perform change_list(new.issuer, new.subject, 0, old.status, new.status);
    else
        delete from unstarted_tasks where task_id = new.task_id;
        update runs
        set latest = false
        where task_id = new.task_id
          and number = (select max(number) from runs where task_id = new.task_id and number < new.number)
        returning status into before;
        perform change_list(new.issuer, new.subject, 0, before, new.status);
    end if;
    return null;
end
$$;

drop trigger tasks_bump_version on tasks;
drop trigger runs_begin_version on runs;
drop trigger runs_change_version on runs;
drop function bump_list_version;
create trigger tasks_change_list
    after insert or delete or update of name, description, kind, parameters, persistent_token_id, token_status on tasks
    for each row execute function tasks_change_list();
create trigger runs_know_their_task before insert on runs
    for each row execute function runs_know_their_task();
create trigger runs_begin_list after insert on runs
    for each row when (new.latest) execute function runs_change_list();
create trigger runs_change_list after update of status, wait_reason on runs
    for each row when (new.latest and new.status <> 'running') execute function runs_change_list();
create trigger runs_leave_list after delete on runs
    for each row when (old.latest) execute function runs_change_list();

-- The words of a text, each with its owner before it, so that a search reads nobody else's. Space and punctuation separate
-- words; of a word longer than 100 characters these count.
create function task_words(whose text, who text, said text) returns tsvector immutable strict parallel safe
language sql as $$
    select array_to_tsvector(coalesce(array_agg(left(md5(whose || ' ' || who), 12) || left(word, 100)), '{}'))
    from regexp_split_to_table(lower(said), '[\s!-/:-@\[-`{-~]+') as word
    where word <> ''
$$;
-- Finds tasks that have, for each word of the text, a word that begins with it; null for a text without words.
create function task_search(whose text, who text, said text) returns tsquery immutable strict parallel safe
language sql as $$
    select string_agg('''' || word || ''':*', ' & ')::tsquery
    from unnest(tsvector_to_array(task_words(whose, who, said))) as word
$$;

drop index tasks_of_owner;
create index tasks_of_owner on tasks (issuer, subject, created_at, id);
create index tasks_by_name on tasks (issuer, subject, lower(name), id);
create index tasks_of_kind on tasks (issuer, subject, kind, created_at, id);
create index tasks_of_grant on tasks (issuer, subject, persistent_token_id, token_status)
    where persistent_token_id is not null;
create index tasks_with_words on tasks using gin (task_words(issuer, subject, name || ' ' || description));
create index unstarted_of_owner on unstarted_tasks (issuer, subject, created_at, task_id);
create index runs_of_state on runs (issuer, subject, status, task_created_at, task_id) where latest;

-- Which linked tokens the vault was asked for last: those after it are next. tasks_linked shows each token once.
alter table owners add column token_checked_up_to uuid not null default '00000000-0000-0000-0000-000000000000';
drop index tasks_linked;
create index tasks_linked on tasks (issuer, subject, token_status, persistent_token_id) where token_status is not null;
