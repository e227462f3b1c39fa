-- The service adds lines and tickets column by column (0026, 0027).
grant insert (task_id, attempt) on audit, tickets to vault;
