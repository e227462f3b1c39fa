-- Rows of grants and tickets that are younger than this migration have a MAC, or are not accepted.
-- Keys are changed by the owner of the schema. The service creates the first of each purpose and nothing more.
revoke insert, update on sealing_keys from vault;
grant insert on sealing_keys to vault;
create function only_the_first_key() returns trigger
language plpgsql
as $$
begin
    if current_user <> (select tableowner from pg_tables where tablename = 'sealing_keys' and schemaname = 'public')
       and exists (select from sealing_keys where purpose = new.purpose) then
        raise exception 'keys are changed by the owner of the schema' using errcode = 'insufficient_privilege';
    end if;
    return new;
end
$$;
create trigger only_the_first_key before insert on sealing_keys
    for each row execute function only_the_first_key();
