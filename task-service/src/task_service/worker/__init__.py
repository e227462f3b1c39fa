"""The worker: a supervisor, and the process below it that makes attempts, writes progress and sweeps.

The supervisor restarts its child after any end. The child fetches jobs through Procrastinate, with a heartbeat every 2
s. The sweep queues another attempt, under a new fence, for each one whose worker sends no heartbeats any more. The same
job is never retried, because a frozen worker that continues would then finish the new attempt.
"""
