"""Asks a caller for the code of a meeting, by keys, and waits with music where the room says so (pure).

```
ASKING ──a key, or prompt over──▶ LISTENING ──#, 11 digits, 5 s──▶ CHECKING ──a room──▶ ENTERING ──▶ in the room
  ▲                                  │ 10 s without a key             │ no such code        │ nobody there
  └──────── wrong, a try left ───────┴────────────────────────────────┘                     ├─ waits ─▶ WAITING (music)
                 └─ none left ─▶ LEAVING ──said──▶ hung up ◀──────────── full, closed ───────┘
```
Keys count while a prompt is still heard, so a number with pauses and the code behind it can be dialled by a machine.
"""

from enum import Enum

from ringback.dialin.steps import Enter, HangUp, Hush, LookUp, Music, Say, Step, Why

CODE_DIGITS = 11
TRIES = 3
FIRST_KEY = 10.0
"""Seconds for the first key once the prompt was heard."""

NEXT_KEY = 5.0
"""Seconds between keys; what was entered by then is the code."""

LONGEST_PROMPT = 75.0
"""Seconds after which a prompt counts as heard, whatever is reported."""

LOOKS_UP_WITHIN = 15.0
LONGEST_WAIT = 30 * 60.0
"""Seconds a caller waits for a meeting to begin."""

ENDLESS = 1000
"""Times the music is played to who waits: it is stopped long before."""


class State(Enum):
    ASKING = "asking"
    LISTENING = "listening"
    CHECKING = "checking"
    ENTERING = "entering"
    WAITING = "waiting"
    LEAVING = "leaving"
    DONE = "done"


class CodeEntry:
    """One caller at the keypad.

    Args:
        tries: Codes the caller may enter, one at least.
    """

    def __init__(self, tries: int = TRIES) -> None:
        self.state = State.ASKING
        self._tries = tries
        self._code = ""
        self._waits = False
        self._told_to_wait = False
        self._meeting_began = False
        self._due: float | None = None
        self._waits_until = 0.0
        self._why = Why.NO_CODE

    def begin(self, now: float) -> list[Step]:
        return self._ask(("greeting", "enter-code"), now)

    def digit(self, digit: str, now: float) -> list[Step]:
        """``#`` ends a code, ``*`` begins it anew; keys at any other time do nothing."""
        if self.state not in (State.ASKING, State.LISTENING) or digit not in "0123456789*#":
            return []
        if digit == "#" and not self._code:
            return []  # one behind a code that was complete without it
        hush: list[Step] = [Hush()] if self.state is State.ASKING else []
        self.state, self._due = State.LISTENING, now + NEXT_KEY
        if digit == "*":
            self._code, self._due = "", now + FIRST_KEY
            return hush
        if digit != "#":
            self._code += digit
        return [*hush, *(self._check(now) if digit == "#" or len(self._code) == CODE_DIGITS else [])]

    def found(self, waits: bool, now: float) -> list[Step]:
        """There is a room of that code; ``waits``: its callers wait for its meeting."""
        if self.state is not State.CHECKING:
            return []
        self._waits, self._waits_until = waits, now + LONGEST_WAIT
        return self._enter()

    def unknown(self, now: float) -> list[Step]:
        """There is no room of that code."""
        if self.state is not State.CHECKING:
            return []
        return self._failed("wrong-code", Why.WRONG_CODE, now)

    def turned_away(self, empty: bool, now: float) -> list[Step]:
        if self.state is not State.ENTERING:
            return []
        if empty and self._waits and now < self._waits_until:
            if self._meeting_began:
                return self._enter()
            self.state, self._due = State.WAITING, self._waits_until
            first = not self._told_to_wait
            self._told_to_wait = True
            return [Say(("please-wait",))] if first else []
        return self._leave(("nobody-here",) if empty else ("full",), Why.NOBODY_CAME if empty else Why.NOT_LET_IN, now)

    def meeting_began(self, now: float) -> list[Step]:
        """Somebody is in the room now."""
        if self.state is State.WAITING:
            return self._enter()
        self._meeting_began = self.state is State.ENTERING
        return []

    def played(self, now: float) -> list[Step]:
        match self.state:
            case State.ASKING:
                self.state, self._due = State.LISTENING, now + FIRST_KEY
            case State.WAITING:
                return [Music(ENDLESS)]
            case State.LEAVING:
                return self._hang_up()
        return []

    def wake(self, now: float) -> list[Step]:
        if self._due is None or now < self._due:
            return []
        match self.state:
            case State.ASKING:
                self.state, self._due = State.LISTENING, now + FIRST_KEY
            case State.LISTENING if self._code:
                return self._check(now)
            case State.LISTENING:
                return self._failed("no-input", Why.NO_CODE, now)
            case State.CHECKING:
                return self._leave((), Why.NOT_LET_IN, now)
            case State.WAITING:
                return self._leave(("nobody-here",), Why.NOBODY_CAME, now)
            case State.LEAVING:
                return self._hang_up()
        return []

    def next_wake(self) -> float | None:
        return self._due

    def _ask(self, prompts: tuple[str, ...], now: float) -> list[Step]:
        self.state, self._code, self._due = State.ASKING, "", now + LONGEST_PROMPT
        return [Say(prompts)]

    def _check(self, now: float) -> list[Step]:
        self.state, self._due = State.CHECKING, now + LOOKS_UP_WITHIN
        return [LookUp(self._code)]

    def _enter(self) -> list[Step]:
        self.state, self._due, self._meeting_began = State.ENTERING, None, False
        return [Enter()]

    def _failed(self, prompt: str, why: Why, now: float) -> list[Step]:
        self._tries -= 1
        if self._tries <= 0:
            return self._leave((prompt,), why, now)
        return self._ask((prompt, "enter-code"), now)

    def _leave(self, prompts: tuple[str, ...], why: Why, now: float) -> list[Step]:
        self.state, self._why, self._due = State.LEAVING, why, now + LONGEST_PROMPT
        return [Say((*prompts, "goodbye"))]

    def _hang_up(self) -> list[Step]:
        self.state, self._due = State.DONE, None
        return [HangUp(self._why)]
