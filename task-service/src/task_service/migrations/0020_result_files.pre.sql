-- Results that are files. The content is in the result store under `key`. A row without a run is a file that is being
-- stored, or whose run is gone: the cleaning removes it.
create table result_files (
    key        uuid primary key,
    task_id    uuid,
    run        integer,
    media_type text not null,
    name       text not null,
    size       bigint not null check (size >= 0),
    created_at timestamptz not null default now(),
    foreign key (task_id, run) references runs on delete set null
);
create unique index result_files_of_run on result_files (task_id, run);
create index result_files_without_run on result_files (created_at) where task_id is null;
grant select, insert, update, delete on result_files to tasks;
