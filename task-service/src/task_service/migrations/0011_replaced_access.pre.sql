-- The token that a task used before a second consent, until that consent is given and the first token revoked.
alter table tasks add column replaces_token_id uuid;
