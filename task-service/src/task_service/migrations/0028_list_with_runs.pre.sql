-- The list can tell how the last runs of each task ended. So it changes when an old run is cleaned away, too.
create or replace function runs_leave_lists() returns trigger language plpgsql as $$
begin
    perform count_runs(array(
        select (issuer, subject, task_id, number, fence, state_in_list(status), wait_reason, -1)::run_in_list
        from old_rows
        where latest
    ));
    perform change_lists(array(
        select (issuer, subject, 0, 0, 0, 0, 0, 0)::list_change
        from old_rows
        where not latest
        group by issuer, subject
    ));
    return null;
end
$$;
