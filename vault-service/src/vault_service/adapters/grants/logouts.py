"""The grants of logins that have ended: `application.ports.logout.Logins`."""

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from vault_service.adapters.grants.endings import Endings, LockedGrant
from vault_service.application.errors import LogoutRefusedError
from vault_service.application.ports.ending import EntryOf
from vault_service.application.ports.logout import LoginEnded
from vault_service.domain.grant import Status

_QUERIES = queries.load(__package__, "logouts.sql")


class PostgresLogins:
    """Ends grants, and remembers the logout tokens for as long as they could be sent again."""

    def __init__(self, database: Database, endings: Endings) -> None:
        self._database = database
        self._endings = endings

    def end(self, login: LoginEnded, entry_of: EntryOf) -> int:
        """Revoke the grants of a login. After a failure nothing is stored, so that the token may be sent again."""
        where = {
            "provider": login.provider,
            "id_hash": login.id_hash,
            "expires_at": login.expires_at,
            "session": login.session,
            "account_issuer": login.account and login.account.issuer,
            "account_subject": login.account and login.account.sub,
            "ends_offline": login.ends_offline,
        }
        with self._database.transaction() as connection:
            if connection.execute(_QUERIES["remember"], where).fetchone() is None:
                raise LogoutRefusedError("received before")
            rows = connection.execute(_QUERIES["of_login"], where).fetchall()
            for grant in map(LockedGrant.of_row, rows):
                self._endings.end(connection, grant, Status.REVOKED, entry_of(grant.id, grant.owner))
        return len(rows)
