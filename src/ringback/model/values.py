"""``dataclass`` for the values that a call makes by the hundred, and ``replace`` for those it changes.

To mypy it is ``dataclasses.dataclass``: a frozen class is frozen, and an assignment to one fails ``make check``. At run
time frozen classes are made without the guard on every assignment, of which ``__init__`` makes one per field: it was a
tenth of what a call cost. They are equal, hashed and replaced as ever. ``replace`` is ``dataclasses.replace`` in a
fifth of the time: it copies the fields by a function written for the class, where making one does nothing else.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import replace as replace
else:

    def dataclass(cls: type | None = None, /, *, frozen: bool = False, **options: Any) -> Any:
        """See the module."""
        return dataclasses.dataclass(cls, **options, **({"unsafe_hash": True} if frozen else {}))

    def replace(value: Any, /, **changes: Any) -> Any:
        """A copy with other values in some fields. Raises ``TypeError`` for a field that it does not have."""
        cls = type(value)
        if (copier := _COPIERS.get(cls)) is None:
            copier = _COPIERS[cls] = _copier(cls)
        names, copy = copier
        if copy is None:
            return dataclasses.replace(value, **changes)
        if not names.issuperset(changes):
            raise TypeError(f"{cls.__name__} has no field {min(changes.keys() - names)}")
        other = cls.__new__(cls)
        copy(value, other)
        for name, changed in changes.items():
            setattr(other, name, changed)
        return other


_Copy = Callable[[Any, Any], None]
_COPIERS: dict[type, tuple[frozenset[str], _Copy | None]] = {}


def _copier(cls: type) -> tuple[frozenset[str], _Copy | None]:
    """Names of its fields, and what copies them; ``None`` where ``__init__`` has to be run."""
    fields = dataclasses.fields(cls)
    names = frozenset(field.name for field in fields)
    guarded = cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    if guarded or hasattr(cls, "__post_init__") or not all(field.init for field in fields) or not fields:
        return names, None
    lines = "".join(f"    new.{name} = old.{name}\n" for name in (field.name for field in fields))
    made: dict[str, Any] = {}
    exec(f"def copy(old, new):\n{lines}", made)
    copy: _Copy = made["copy"]
    return names, copy
