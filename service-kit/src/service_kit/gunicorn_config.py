"""gunicorn's settings for both services: `gunicorn -c python:service_kit.gunicorn_config …`.

Threads share connection pools and single flights, so a few processes with several threads each. The access log is the
application's own. On SIGTERM running requests get `graceful_timeout` seconds, longer than any refresh takes.
"""

import os
from pathlib import Path

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
worker_class = "gthread"
graceful_timeout = 30
timeout = 60
keepalive = 75
max_requests = 0
accesslog = None
errorlog = "-"
loglevel = "warning"
forwarded_allow_ips = "127.0.0.1"
limit_request_line = 8190
limit_request_field_size = 16380
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn's heartbeat, off the disk
control_socket_disable = True
