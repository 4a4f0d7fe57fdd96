"""The steps that lead to the tables: which there are is read from their text, so that Alembic is loaded to take one."""

import re
from functools import cache
from importlib import resources
from typing import Any

from sqlalchemy import Connection

MIGRATIONS = "ringback.store.migrations"
REVISION = re.compile(r'^(?P<what>(?:down_)?revision) = "?(?P<name>\w+)"?$', re.MULTILINE)


@cache
def newest_first() -> tuple[str, ...]:
    """Every step's revision; each follows the one after it."""
    after: dict[str, str] = {}
    for file in resources.files(f"{MIGRATIONS}.versions").iterdir():
        if file.name.startswith("v") and file.name.endswith(".py"):
            found = {match["what"]: match["name"] for match in REVISION.finditer(file.read_text("utf-8"))}
            assert found.keys() == {"revision", "down_revision"}, f"{file.name} says which step it is and after which"
            assert found["down_revision"] not in after, f"two steps follow {found['down_revision']}"
            after[found["down_revision"]] = found["revision"]
    oldest_first, last = list[str](), "None"
    while last in after:
        last = after.pop(last)
        oldest_first.append(last)
    assert not after, f"nothing leads to {after}"
    return tuple(reversed(oldest_first))


def take(connection: Connection, to: str = "head") -> None:
    """Every step up to one, in the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config: Any = Config()
    config.set_main_option("script_location", MIGRATIONS.replace(".migrations", ":migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, to)
