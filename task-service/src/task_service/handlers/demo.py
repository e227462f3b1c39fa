"""The demonstration (R13): ten steps of 10 % with a fresh access token.

It asks the authorization server whose token it is, and fails when that is not the task's owner.
"""

from task_service.application.errors import HandlerError
from task_service.application.handler import HandlerContext, Tools

STEPS = 10


class Demo:
    """The handler of kind `demo`."""

    def __init__(self, tools: Tools) -> None:
        self._userinfo = tools.userinfo
        self._step_seconds = tools.demo_step_seconds

    def run(self, context: HandlerContext) -> str:
        """Check the token, then report 10 % after each step."""
        token = context.token()
        sub, name = self._userinfo.who(token)
        if sub != context.attempt.owner.sub:
            raise HandlerError("The access token belongs to another person.")
        context.log(f"Working on behalf of {name}: {STEPS} steps of {self._step_seconds:g} s.")
        for step in range(1, STEPS + 1):
            context.wait(self._step_seconds)
            context.progress(100 * step // STEPS)
        scopes = " ".join(sorted(token.scopes))
        return f"Task completed successfully on behalf of {name}, with a fresh access token ({scopes})."
