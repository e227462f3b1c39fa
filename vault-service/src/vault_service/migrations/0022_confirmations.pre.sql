-- At another server than the login's the code is not redeemed before the person has confirmed it in the page. Until kept_until,
-- secrets hold the sealed code too. confirmation_hash: of the secret that the browser got which brought the code.
alter table consent_requests
    add column confirmation_hash bytea,
    add column kept_until        timestamptz,
    add check ((confirmation_hash is null) = (kept_until is null)) not valid;
