"""The two ways a session description can fail: it cannot be read, or it leaves nothing in common."""


class BadSdp(ValueError):
    """A description that breaks RFC 8866, RFC 3264 or one of our limits. SIP answers it with 488 or 400."""


class NoCommonCodec(ValueError):
    """The description is well formed, but no audio stream in it can be taken: SIP answers 488."""


class NotProtected(NoCommonCodec):
    """A stream could be agreed on, but not protected as one side demands (SRTP): SIP answers 488, or the call ends."""
