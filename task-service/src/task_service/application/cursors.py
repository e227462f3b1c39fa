"""Cursors: where the next page of a list begins, as opaque text that holds for one owner and one query."""

import base64
import binascii
import hashlib
import hmac
import json
from uuid import UUID

from task_service.application.errors import CursorError
from task_service.domain.listing import Position, TaskQuery
from task_service.domain.owner import Owner

_MAC_BYTES = 16


class Cursors:
    """Makes and reads cursors. A MAC (HMAC-SHA-256, cut to 128 bits) covers position, owner and query."""

    def __init__(self, secret: str) -> None:
        """secret: one that all processes of the service have."""
        self._key = hmac.digest(secret.encode(), b"task-service cursors", hashlib.sha256)

    def write(self, owner: Owner, query: TaskQuery, position: Position) -> str:
        """The cursor of a position: base64url of MAC and JSON."""
        said = json.dumps([position.key, str(position.task_id)]).encode()
        return base64.urlsafe_b64encode(self._mac(owner, query, said) + said).rstrip(b"=").decode()

    def read(self, owner: Owner, query: TaskQuery, cursor: str) -> Position:
        """The position of a cursor. Raises CursorError unless `write` gave it for this owner and query."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise CursorError from None
        mac, said = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(owner, query, said)):
            raise CursorError
        key, task_id = json.loads(said)
        return Position(key, UUID(task_id))

    def _mac(self, owner: Owner, query: TaskQuery, said: bytes) -> bytes:
        asked = [
            [owner.issuer, owner.sub],
            sorted(query.statuses),
            query.kind,
            str(query.persistent_token_id),
            query.search,
            query.schedule,
            query.sort,
            said.decode(errors="replace"),
            *(["needs consent"] if query.needs_consent else []),
        ]
        return hmac.digest(self._key, json.dumps(asked).encode(), hashlib.sha256)[:_MAC_BYTES]
