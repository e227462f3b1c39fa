"""Executors run attempts: in the worker (`local`), or elsewhere with the attempt's ticket and no secret of the service.

Elsewhere an attempt runs in a program of its own, `task_service.elsewhere`. It is given an `Order`, and writes events
to its output (`order.py`). An executor starts that program, brings its output, and ends it.
"""
