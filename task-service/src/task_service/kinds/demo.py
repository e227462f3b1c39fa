"""The demonstration (R13): ten steps of 10 % with a fresh access token.

It asks the authorization server whose token it is, and fails when that is not the task's owner.
"""

from task_service.kinds.base import HandlerContext, HandlerError, Kind, NoParameters

STEPS = 10


class Demo(Kind[NoParameters]):
    """Ten steps with a fresh access token; shows whose it is."""

    Parameters = NoParameters
    trusted = True

    def run(self, parameters: NoParameters, context: HandlerContext) -> str:  # noqa: ARG002 - it has none
        """Check the token, then report 10 % after each step."""
        step_seconds = self.tools.settings.demo_step_seconds
        token = context.token()
        sub, name = self.tools.userinfo.who(token)
        if sub != context.attempt.owner.sub:
            raise HandlerError("The access token belongs to another person.")
        context.log(f"Working on behalf of {name}: {STEPS} steps of {step_seconds:g} s.")
        for step in range(1, STEPS + 1):
            context.wait(step_seconds)
            context.progress(100 * step // STEPS)
        scopes = " ".join(sorted(token.scopes))
        return f"Task completed successfully on behalf of {name}, with a fresh access token ({scopes})."
