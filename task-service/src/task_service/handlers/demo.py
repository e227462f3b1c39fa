"""The demonstration: ten steps with a fresh access token, which it proves to be its owner's.

It asks the authorization server who the token belongs to, then makes progress by 10 % a step until it is done.
"""

from task_service.application.errors import HandlerError
from task_service.application.run import Context, Tools

STEPS = 10


class Demo:
    """The handler `demo`, made by the entry point of that name."""

    def __init__(self, tools: Tools) -> None:
        self._identity = tools.identity
        self._step_seconds = tools.demo_step_seconds

    def run(self, context: Context) -> str:
        """Use the token, then count to a hundred."""
        token = context.token()
        sub, name = self._identity.who(token)
        if sub != context.attempt.owner.sub:
            raise HandlerError("The access token belongs to somebody else.")
        for step in range(1, STEPS + 1):
            context.wait(self._step_seconds)
            context.progress(100 * step // STEPS)
        scopes = " ".join(sorted(token.scopes))
        return f"Task completed successfully on behalf of {name}, with a fresh access token ({scopes})."
