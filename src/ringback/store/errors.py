"""What can go wrong with the database, each as one sentence that names the setting to look at."""

from ringback.model.errors import InvalidRequest, NotStored


class StoreError(NotStored):
    """The database cannot be opened, read or written. Nothing was changed by the attempt."""


class DuplicateKey(InvalidRequest):
    """A unit of work used an idempotency key that belongs to another call."""
