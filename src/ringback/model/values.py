"""``dataclass`` for the values that a call makes by the hundred.

To mypy it is ``dataclasses.dataclass``: a frozen class is frozen, and an assignment to one fails ``make check``. At run
time frozen classes are made without the guard on every assignment, of which ``__init__`` makes one per field: it was a
tenth of what a call cost. They are equal, hashed and replaced as ever.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls: type | None = None, /, *, frozen: bool = False, **options: Any) -> Any:
        """See the module."""
        return dataclasses.dataclass(cls, **options, **({"unsafe_hash": True} if frozen else {}))
