-- What authorization servers said when they refused. refusals: the error words since the last success, oldest first; several
-- equal ones are final. retry_at: no refresh of this grant is sent before. failure_detail: of the last refusal, for the owner:
-- status, error, check; never a token.
alter table grants
    add column refusals       text[] not null default '{}',
    add column retry_at       timestamptz,
    add column failure_detail jsonb;
