"""What dial-in by number needs of the outside."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ringback.model.dialin import DialinConfig
from ringback.model.ids import DomainId, RoomName
from ringback.model.room import Room
from ringback.model.sound import Sound
from ringback.webhooks.ports import Posted


class Sounds(Protocol):
    """What callers are played."""

    def prompt(self, name: str) -> Sound:
        """A packaged prompt, or the operator's own of that name; ``music`` is one."""

    async def spoken(self, text: str) -> Sound | None:
        """Text in words; ``None`` where nobody can speak it."""

    def ready(self, url: str) -> Sound | None:
        """Music of that address, when it is here already."""

    async def music(self, url: str) -> Sound | None:
        """The same, fetched where it is not; ``None`` when that cannot be (why is logged)."""

    def joined(self, sounds: Sequence[Sound]) -> Sound:
        """One after the other."""


class Poster(Protocol):
    """Sends a POST to a customer's server, by the rules for such addresses."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted: ...


class CodedRooms(Protocol):
    """Which room a code is of."""

    async def by_code(self, code: str) -> Room | None: ...


class NumberOwners(Protocol):
    """Whose a telephone number is."""

    async def owner_of(self, number: str, trunk: str) -> tuple[DomainId, RoomName] | None:
        """The domain that has it, and the room it rings (empty for none); ``None``: nobody, or not over this trunk."""


class ConfigStore(Protocol):
    """Configurations at rest."""

    async def all(self) -> Sequence[DialinConfig]:
        """Oldest first."""

    async def write(self, put: Sequence[DialinConfig], gone: Sequence[str]) -> None:
        """Insert or replace these, and delete those of these ids, all or none."""
