-- Several authorization servers. account_issuer, account_subject: the person there whose token it is, which is the owner
-- when the owner logs in there too. token_identity: `iss`, `sub` and `azp` of the first access token, which must not change.
-- idle_seconds, max_seconds: the rules of expiry that held when the consent was asked for; null: none.
alter table grants
    add column account_issuer  text,
    add column account_subject text,
    add column token_identity  text[],
    add column idle_seconds    integer,
    add column max_seconds     integer;
