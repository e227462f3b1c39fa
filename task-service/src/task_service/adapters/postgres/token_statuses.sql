-- name: claim_check
-- One caller at a time asks the vault: often while a consent is awaited, seldom otherwise. A failed token is asked for
-- too, since it can become usable again. A time that lies ahead is that of a clock which was set back since.
update owners o
set token_checked_at = now()
where o.issuer = %(issuer)s
  and o.subject = %(subject)s
  and o.token_checked_at not between now() - interval '1.5 seconds' and now()
  and (exists (
           select
           from tasks t
           where t.issuer = o.issuer
             and t.subject = o.subject
             and t.token_status = 'pending'
       )
       or o.token_checked_at not between now() - interval '15 seconds' and now()
       and exists (
           select
           from tasks t
           where t.issuer = o.issuer
             and t.subject = o.subject
             and t.token_status is not null
       ))
returning true;

-- name: pending
-- Tokens whose consent is awaited, each once, however many tasks are linked to it.
with recursive linked (id) as (
    (
        select persistent_token_id
        from tasks
        where issuer = %(issuer)s
          and subject = %(subject)s
          and token_status = 'pending'
        order by persistent_token_id
        limit 1
    )
    union all
    select (
        select t.persistent_token_id
        from tasks t
        where t.issuer = %(issuer)s
          and t.subject = %(subject)s
          and t.token_status = 'pending'
          and t.persistent_token_id > linked.id
        order by t.persistent_token_id
        limit 1
    )
    from linked
    where linked.id is not null
)
select id
from linked
where id is not null
limit %(at_most)s;

-- name: following
-- Linked tokens after the one up to which the vault was asked last, each once.
with recursive linked (id) as (
    (
        select t.persistent_token_id
        from tasks t
        join owners o on o.issuer = t.issuer and o.subject = t.subject
        where t.issuer = %(issuer)s
          and t.subject = %(subject)s
          and t.persistent_token_id > o.token_checked_up_to
        order by t.persistent_token_id
        limit 1
    )
    union all
    select (
        select t.persistent_token_id
        from tasks t
        where t.issuer = %(issuer)s
          and t.subject = %(subject)s
          and t.persistent_token_id > linked.id
        order by t.persistent_token_id
        limit 1
    )
    from linked
    where linked.id is not null
)
select id
from linked
where id is not null
limit %(at_most)s;

-- name: checked_up_to
update owners
set token_checked_up_to = %(up_to)s
where issuer = %(issuer)s
  and subject = %(subject)s;

-- name: set_token_status
update tasks t
set token_status = said.status
from unnest(%(ids)s::uuid[], %(statuses)s::text[]) as said (id, status)
where t.issuer = %(issuer)s
  and t.subject = %(subject)s
  and t.persistent_token_id = said.id
  and t.token_status = any (array_remove(array['pending', 'active', 'failed'], said.status));
