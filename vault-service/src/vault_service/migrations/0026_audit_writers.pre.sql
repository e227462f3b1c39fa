-- Which process wrote a line, and its number there: a line that is missing or was added again shows. writer_mark: all lines
-- of the process up to this number are recorded. Lines without them have the MAC that they always had.
alter table audit
    add column writer_id   uuid,
    add column writer_seq  bigint,
    add column writer_mark bigint;

-- The lines of each process under a checkpoint, so that they can be verified after the lines were pruned.
alter table audit_seals add column writers jsonb;

-- The service adds lines and does not choose their ids: an id far ahead would hide the lines that come after it.
revoke insert on audit from vault;
grant insert (at, event, grant_id, issuer, subject, actor, request_id, outcome, key_id, mac, via_id, via_name, reason,
              writer_id, writer_seq, writer_mark) on audit to vault;
grant select on sequence audit_id_seq to vault;
