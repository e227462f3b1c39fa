"""The kit's PostgreSQL pool with the vault's error, and the vault's migrations."""

from functools import partial

from service_kit.postgres.database import Database
from service_kit.postgres.migrations import Migrations
from vault_service.application.errors import StorageUnavailableError

vault_database = partial(Database, unavailable=StorageUnavailableError)
"""Makes a pool that raises StorageUnavailableError."""

MIGRATIONS = Migrations("vault_service.migrations", "vault", command="vault-service migrate")
