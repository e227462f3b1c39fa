-- The audit in partitions by line number, which grows with time: pruning drops whole partitions. The last one, audit_rest, takes
-- every number from its beginning on, so that no line is ever without a place; `vault-service audit prune` keeps empty
-- partitions before it. The lines that there are become the first partition, after one look at all of them.
do $$
declare
    next_number bigint;
    boundary    bigint;
    each_name   text;
begin
    lock table audit in access exclusive mode;
    select last_value + is_called::integer into next_number from audit_id_seq;
    boundary := (next_number / 1000000 + 1) * 1000000;

    alter table audit rename to audit_first;
    alter table audit_first rename constraint audit_pkey to audit_first_pkey;
    alter index audit_of_grant rename to audit_first_of_grant;
    alter table audit_first alter column id drop identity;
    for each_name in select conname from pg_constraint where conrelid = 'audit_first'::regclass and not convalidated loop
        execute format('alter table audit_first validate constraint %I', each_name);
    end loop;

    create table audit (like audit_first including constraints) partition by range (id);
    alter table audit add primary key (id);
    create index audit_of_grant on audit (grant_id, id);
    execute format('create sequence audit_id_seq start with %s', next_number);
    alter table audit alter column id set default nextval('audit_id_seq');
    alter sequence audit_id_seq owned by audit.id;
    execute format('alter table audit attach partition audit_first for values from (minvalue) to (%s)', boundary);
    execute format('create table audit_rest partition of audit for values from (%s) to (maxvalue)', boundary);
end
$$;

-- The service reaches the lines through the whole table only, and does not choose their numbers. (PostgreSQL 17 is the first that
-- can have an identity column here.)
revoke all on audit_first from vault;
grant select on audit to vault;
grant insert (at, event, grant_id, issuer, subject, actor, request_id, outcome, key_id, mac, via_id, via_name, reason, task_id,
              attempt, writer_id, writer_seq, writer_mark) on audit to vault;
grant select, usage on sequence audit_id_seq to vault;
