"""Changes what schemathesis sends, where `schemathesis.toml` cannot say it."""

from typing import Any
from uuid import uuid4

import schemathesis

KEY = "Idempotency-Key"


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: "schemathesis.Case[Any]", kwargs: dict[str, object]) -> None:
    """Make each valid Idempotency-Key a new one.

    A scenario that is sent a second time would be answered with the task of the first time, which it has deleted then.
    """
    if case.headers and KEY in case.headers and case.meta and case.meta.generation.mode.is_positive:
        case.headers[KEY] = str(uuid4())
