-- Versions of keys come and go. inactive_since: when another took its place; a retired version's key is destroyed.
alter table sealing_keys add column inactive_since timestamptz;
alter table sealing_keys alter column wrapped drop not null;
alter table sealing_keys drop constraint sealing_keys_state_check;
alter table sealing_keys add check (state in ('active', 'retiring', 'retired'));
alter table sealing_keys add check ((wrapped is null) = (state = 'retired'));

-- The key that has sealed a value: `version | key id | nonce | ciphertext and tag`.
create function sealed_by(sealed bytea) returns integer
language sql immutable strict parallel safe
return get_byte(sealed, 1) * 256 + get_byte(sealed, 2);
