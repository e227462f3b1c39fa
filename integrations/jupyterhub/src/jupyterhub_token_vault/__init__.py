"""Access tokens in notebooks: the kernel asks the hub's service, and the service asks the vault. No token is stored.

| module | runs in | what it is |
|---|---|---|
| `tv` | the kernel | `tv.consent()`, `tv.token()`, `tv.requests()` |
| `service` | a managed service of the hub | asks for consents and passes on calls of kernels, for their owners |
| `configure` | the hub | one call in `jupyterhub_config.py` that adds the service, its roles and the spawner hook |
| `authenticator` | the hub | keeps the tokens of a login out of the hub's state |

The kernel needs this distribution alone; the hub needs its extra `hub`.
"""
