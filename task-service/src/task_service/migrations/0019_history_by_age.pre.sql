-- What can be cleaned away one day, by age: the cleaning reads nothing else.
create index runs_by_age on runs (completed_at) where not latest;
