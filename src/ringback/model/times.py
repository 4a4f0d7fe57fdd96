"""Times as Daily writes them."""

from datetime import UTC, datetime


def iso(seconds: float) -> str:
    """Unix seconds as ISO 8601 in UTC with milliseconds: ``2026-03-02T10:15:30.000Z``."""
    moment = datetime.fromtimestamp(round(seconds, 3), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
