"""A database as the first start of a server leaves it: made once by each test process, then copied.

Making one takes a tenth of a second of a processor. What the steps do has tests of its own, and so has a first start.
"""

import os
import tempfile
from functools import cache
from pathlib import Path

from ringback.store.opening import open_engine


def put(file: Path) -> None:
    """An empty database of ours at this path, unless there is one."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as new:
            new.write(_made())


@cache
def _made() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ringback.db"
        engine, lock = open_engine(f"sqlite:///{file}")
        engine.dispose()
        assert lock is not None, "it is a file"
        lock.close()
        assert [one.name for one in Path(folder).iterdir() if one.suffix == ".db-wal"] == [], "all of it is in the file"
        return file.read_bytes()
