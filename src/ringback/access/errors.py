"""Why a meeting token does not open the door."""

from typing import Literal

from ringback.model.errors import InvalidRequest

TokenProblem = Literal["nbf-token", "exp-token", "invalid-token"]


class TokenRefused(InvalidRequest):
    """The token is not good (here, now).

    Args:
        kind: What a client is told as the error's type.
        msg: A sentence for people.
    """

    def __init__(self, kind: TokenProblem, msg: str) -> None:
        super().__init__(f"{kind}: {msg}")
        self.kind = kind
        self.msg = msg
