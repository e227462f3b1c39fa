-- name: load
-- How many tasks an owner has, and how many of them are waiting, queued or running: see `list_versions`.
select coalesce(sum(tasks), 0), coalesce(sum(waiting + at_work), 0)
from list_versions
where issuer = %(issuer)s
  and subject = %(subject)s;
