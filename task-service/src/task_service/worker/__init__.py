"""The worker: a supervisor, and the process below it that makes attempts, writes progress and sweeps.

The supervisor starts its child again whatever it dies of. The child fetches jobs through Procrastinate, with a
heartbeat every 2 s. The sweep queues another attempt, under a new fence, for each one whose worker has fallen silent;
the same job is never retried, because a frozen worker that wakes up would finish the new attempt.
"""
