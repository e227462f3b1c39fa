-- Consents that services ask for. name: what the grant is for, for people; asked_by: the client id of the service, null when the
-- owner asked; return_to: where the browser goes afterwards.
alter table grants
    add column name      text,
    add column asked_by  text,
    add column return_to text,
    add check (asked_by is not null or return_to is null) not valid;
