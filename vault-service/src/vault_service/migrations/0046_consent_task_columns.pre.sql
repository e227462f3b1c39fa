-- The service adds grants column by column (0027).
grant insert (other_task_ids) on grants to vault;
