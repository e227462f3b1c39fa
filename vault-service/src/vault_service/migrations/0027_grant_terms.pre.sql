-- What was requested, under a MAC of the audit key terms_key; an active grant's token is bound to its terms instead. Rows
-- of older versions have none: they are accepted if they are older than the migration after the roll-out (0028).
alter table grants
    add column terms_key smallint,
    add column terms_mac bytea;

-- What a ticket may do, under a MAC of the audit key mac_key.
alter table tickets
    add column mac_key smallint,
    add column mac     bytea;

-- Counts of uses never fall, and what has ended stays so, whoever writes the row.
create function forbid_going_back() returns trigger
language plpgsql
as $$
begin
    raise exception 'uses do not fall, and what has ended stays so' using errcode = 'insufficient_privilege';
end
$$;
create trigger uses_do_not_fall before update of uses on grants
    for each row when (new.uses < old.uses) execute function forbid_going_back();
create trigger ends_stay before update of status on grants
    for each row when (old.status in ('revoked', 'expired') and new.status <> old.status)
    execute function forbid_going_back();
create trigger uses_do_not_fall before update of uses on tickets
    for each row when (new.uses < old.uses) execute function forbid_going_back();
create trigger ends_stay before update of ended_at on tickets
    for each row when (old.ended_at is not null and new.ended_at is distinct from old.ended_at)
    execute function forbid_going_back();
