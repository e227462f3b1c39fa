-- The version that kept the current run in `tasks` is gone. Workers that hold a run stop reaching for its task here, in
-- a migration of its own, so that the next one can take its locks in the order in which the service takes them.
drop trigger runs_to_tasks on runs;
drop function runs_to_tasks;
