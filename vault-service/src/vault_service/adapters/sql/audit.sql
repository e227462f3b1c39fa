-- name: append
insert into audit (at, event, grant_id, issuer, subject, actor, request_id, outcome, key_id, mac)
values (%(at)s, %(event)s, %(grant_id)s, %(issuer)s, %(subject)s, %(actor)s, %(request_id)s, %(outcome)s, %(key_id)s,
        %(mac)s);
