"""The platform under every service. It has no domain words; `docs/new-service.md` says how a service uses it.

http: applications, problems, inputs, OpenAPI, health · tokens: bearer and ID tokens, issuers · postgres: pool, queries,
migrations · outbound: calls to other servers · process: settings, secrets, logs, metrics, start · server: gunicorn.
"""
