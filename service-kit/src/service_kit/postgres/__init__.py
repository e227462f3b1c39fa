"""PostgreSQL: a pool, named queries, migrations."""
