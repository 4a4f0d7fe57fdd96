"""SIPp 3.6: scenarios written step by step in Python, made into its XML, and run to their end."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self
from xml.sax.saxutils import quoteattr

US = "[local_ip]:[local_port]"
CONTACT = f"<sip:sipp@{US};transport=[transport]>"
MEDIA_PORTS = itertools.count(14200, 4)
LONGEST_S = 60
"""Unless the run is given longer."""
FORMATS = ("0 PCMU/8000", "101 telephone-event/8000")


def sdp(
    *,
    version: int = 1,
    direction: str = "",
    address: str = "[media_ip]",
    formats: Sequence[str] = FORMATS,
    lines: Sequence[str] = (),
) -> str:
    """One audio stream; ``formats`` are payload type and rtpmap, ``lines`` come after them."""
    numbers = " ".join(each.split(" ")[0] for each in formats)
    head = ["v=0", f"o=- 1 {version} IN IP4 [local_ip]", "s=-", f"c=IN IP4 {address}", "t=0 0"]
    stream = [f"m=audio [media_port] RTP/AVP {numbers}", *(f"a=rtpmap:{each}" for each in formats)]
    return "\n".join([*head, *stream, *([f"a={direction}"] if direction else []), *lines])


class Script:
    """What SIPp does, in order."""

    def __init__(self) -> None:
        self._steps: list[str] = []
        self._names: list[str] = []
        self._branches = 0

    def send(self, lines: Sequence[str], body: str = "", *, again: bool = False) -> Self:
        """A message; ``again``: repeated until something comes back."""
        length = ["Content-Length: [len]", "", body, ""]
        text = "\n".join([line for line in lines if line] + length)
        repeated = ' retrans="500"' if again else ""
        self._steps.append(f"<send{repeated}><![CDATA[\n\n{text}\n]]></send>")
        return self

    def recv(
        self,
        what: str | int,
        *has: str,
        lacks: Sequence[str] = (),
        keep: Mapping[str, tuple[str, str]] | None = None,
        optional: bool = False,
        routes: bool = False,
        auth: bool = False,
        lost: int = 0,
    ) -> Self:
        """A request or a response that has to come.

        Args:
            has, lacks: POSIX expressions that the message has to match, or must not.
            keep: Name → header (as in ``To:``) and the expression whose first group is kept as ``[$name]``.
            lost: Percent of its arrivals that are thrown away.
            routes: Whether ``[next_url]`` and ``[routes]`` are taken from it.
        """
        actions = [self._check(text, "check_it") for text in has]
        actions += [self._check(text, "check_it_inverse") for text in lacks]
        for name, (header, expression) in (keep or {}).items():
            unused = self._name()
            self._names.append(name)
            actions.append(
                f'<ereg regexp={quoteattr(expression)} search_in="hdr" header="{header}" check_it="true"'
                f' assign_to="{unused},{name}"/>'
            )
        kind = f'response="{what}"' if isinstance(what, int) else f'request="{what}"'
        flags = "".join(
            f' {flag}="true"' for flag, on in (("optional", optional), ("rrs", routes), ("auth", auth)) if on
        )
        flags += f' lost="{lost}"' if lost else ""
        action = f"<action>{''.join(actions)}</action>" if actions else ""
        self._steps.append(f"<recv {kind}{flags}>{action}</recv>")
        return self

    def pause(self, seconds: float) -> Self:
        self._steps.append(f'<pause milliseconds="{round(seconds * 1000)}"/>')
        return self

    def play(self, **action: str) -> Self:
        """``play_dtmf="19"`` or ``rtp_stream="tone.ulaw,1,0,PCMU/8000"``."""
        ((name, value),) = action.items()
        self._steps.append(f"<nop><action><exec {name}={quoteattr(value)}/></action></nop>")
        return self

    def speak(self) -> Self:
        """Send RTP until the end: a far end that is silent for a minute is hung up on."""
        return self.play(rtp_stream="silence.ulaw,-1,0,PCMU/8000")

    def xml(self, name: str) -> str:
        """The scenario as SIPp reads it."""
        used = ",".join(dict.fromkeys(self._names))
        reference = f'<Reference variables="{used}"/>' if used else ""
        body = "\n".join([*self._steps, reference])
        return f'<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="{name}">\n{body}\n</scenario>\n'

    def branch(self) -> str:
        """A new branch."""
        self._branches += 1
        return f"z9hG4bK-[pid]-[call_number]-{self._branches}"

    def _check(self, expression: str, how: str) -> str:
        return f'<ereg regexp={quoteattr(expression)} search_in="msg" {how}="true" assign_to="{self._name()}"/>'

    def _name(self) -> str:
        self._names.append(f"v{len(self._names)}")
        return self._names[-1]


class Caller(Script):
    """SIPp calls us: ``-s`` names the user it calls."""

    uri = "sip:[service]@[remote_ip]:[remote_port]"
    from_ = f"<sip:sipp@{US}>;tag=[pid]f[call_number]"

    def __init__(self) -> None:
        super().__init__()
        self.cseq = 0
        self._last = ("", "", "")

    def invite(self, body: str | None = None, *rows: str, contact: str = CONTACT, kind: str = "") -> Self:
        """An INVITE outside any dialog; ``""`` is one without an offer."""
        self.cseq += 1
        self._last = (self.uri, f"<{self.uri}>", self.branch())
        head = self._head("INVITE", self.uri, self.cseq, self._last[2], f"<{self.uri}>", contact)
        return self._with(head, sdp() if body is None else body, rows, kind)

    def outside(self, method: str, *rows: str, body: str = "", kind: str = "") -> Self:
        """Another request outside any dialog."""
        self.cseq += 1
        head = self._head(method, self.uri, self.cseq, self.branch(), f"<{self.uri}>", CONTACT)
        return self._with(head, body, rows, kind)

    def ringing(self, status: int = 180, *has: str) -> Self:
        """100 may come, 18x has to."""
        return self.recv(100, optional=True).recv(status, *has, keep={"remote": ("To:", "tag=([^;]+)")}, routes=True)

    def answered(self, *has: str, **more: Sequence[str]) -> Self:
        """100 and 180 may come, 200 has to; the dialog is as that says."""
        self.recv(100, optional=True).recv(180, optional=True)
        return self.recv(200, *has, keep={"remote": ("To:", "tag=([^;]+)")}, routes=True, **more)  # type: ignore[arg-type]

    def ack(self, body: str = "", cseq: int | None = None) -> Self:
        """Of a 2xx."""
        return self._with(self._within("ACK", cseq or self.cseq, CONTACT), body, again=False)

    def ack_refusal(self) -> Self:
        """Of a final refusal of the INVITE sent last, in a dialog or not."""
        uri, _, branch = self._last
        head = self._head("ACK", uri, self.cseq, branch, "", "")
        return self.send(["[last_To:]" if line == "To: " else line for line in head])

    def cancel(self) -> Self:
        """Of the INVITE sent last."""
        uri, to, branch = self._last
        return self.send(self._head("CANCEL", uri, self.cseq, branch, to, ""), again=True)

    def cancel_first(self) -> Self:
        """Of the INVITE that began it all, whatever was sent since."""
        number, self.cseq = self.cseq, 1
        self.cancel()
        self.cseq = number
        return self

    def ack_first(self) -> Self:
        """Of that INVITE's refusal."""
        number, self.cseq = self.cseq, 1
        self.ack_refusal()
        self.cseq = number
        return self

    def call(self, body: str | None = None, *rows: str) -> Self:
        """INVITE, 200, ACK."""
        return self.invite(body, *rows).answered().ack()

    def within(self, method: str, *rows: str, body: str = "", kind: str = "", contact: str = CONTACT) -> Self:
        """A request in the dialog."""
        self.cseq += 1
        if method == "INVITE":
            self._last = ("[next_url]", self._remote(), self.branch())
        return self._with(self._within(method, self.cseq, contact, branch=self._last[2]), body, rows, kind)

    def stray(self, method: str, cseq: int, tag: str = "[$remote]") -> Self:
        """A request of the dialog with a number or a tag that is not its turn."""
        to = self._remote().replace("[$remote]", tag)
        return self.send(self._head(method, "[next_url]", cseq, self.branch(), to, ""), again=True)

    def reinvite(self, body: str, *has: str, rows: Sequence[str] = (), contact: str = CONTACT) -> Self:
        """A re-INVITE that is answered 200, and its ACK."""
        self.within("INVITE", *rows, body=body, contact=contact)
        return self.recv(100, optional=True).recv(200, *has).ack()

    def bye(self, *rows: str) -> Self:
        """Hang up."""
        return self.within("BYE", *rows).recv(200)

    def hung_up_on(self, *has: str) -> Self:
        """The far end's BYE, and its 200."""
        return self.recv("BYE", *has).send(reply(200))

    def _remote(self) -> str:
        return f"<{self.uri}>;tag=[$remote]"

    def _within(self, method: str, cseq: int, contact: str, branch: str = "") -> list[str]:
        chosen = branch if method == "INVITE" else self.branch()
        return [*self._head(method, "[next_url]", cseq, chosen, self._remote(), contact), "[routes]"]

    def _head(self, method: str, uri: str, cseq: int, branch: str, to: str, contact: str) -> list[str]:
        return [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/[transport] {US};branch={branch};rport",
            f"From: {self.from_}",
            f"To: {to}",
            "Call-ID: [call_id]",
            f"CSeq: {cseq} {method}",
            "Max-Forwards: 70",
            f"Contact: {contact}" if contact else "",
        ]

    def _with(
        self, head: list[str], body: str, rows: Sequence[str] = (), kind: str = "", *, again: bool = True
    ) -> Self:
        typed = [f"Content-Type: {kind or 'application/sdp'}"] if body else []
        return self.send([*head, *rows, *typed], body, again=again)


class Callee(Script):
    """SIPp is called by us."""

    def __init__(self) -> None:
        super().__init__()
        self.cseq = 100
        self._branch = ""

    def invited(self, *has: str, lacks: Sequence[str] = ()) -> Self:
        """Our INVITE; what answers and requests of the dialog need of it is kept."""
        keep = {
            "via": ("Via:", "(.*)"),
            "caller": ("From:", "(.*)"),
            "called": ("To:", "(.*)"),
            "cseq": ("CSeq:", "(.*)"),
            "target": ("Contact:", "<(sip:[^>]*)>"),
        }
        return self.recv("INVITE", *has, lacks=lacks, keep=keep)

    def say(self, status: int, *rows: str, body: str = "", fork: str = "t", contact: str = CONTACT) -> Self:
        """A response to the INVITE that began the call, in the dialog of one fork."""
        typed = "Content-Type: application/sdp" if body else ""
        head = [
            f"SIP/2.0 {status} As Scripted",
            "Via: [$via]",
            "From: [$caller]",
            f"To: [$called];tag=[pid]{fork}[call_number]" if status != 100 else "To: [$called]",
            "Call-ID: [call_id]",
            "CSeq: [$cseq]",
            f"Contact: {contact}" if 100 < status < 400 and contact else "",
        ]
        return self.send([*head, *rows, typed], body, again=status >= 200)

    def acked(self, *has: str) -> Self:
        return self.recv("ACK", *has)

    def refuse(self, status: int, *rows: str) -> Self:
        """A final refusal, and its ACK."""
        return self.say(status, *rows).acked()

    def answer(self, body: str | None = None, *rows: str) -> Self:
        """200 and its ACK."""
        return self.say(200, *rows, body=sdp() if body is None else body).acked()

    def within(self, method: str, *rows: str, body: str = "", kind: str = "", fork: str = "t") -> Self:
        """A request in the dialog, from us to who called."""
        self.cseq += method != "ACK"
        if method != "ACK":
            self._branch = self.branch()
        return self._within(method, self.branch() if method == "ACK" else self._branch, rows, body, kind, fork)

    def ack(self, body: str = "") -> Self:
        """Of a 2xx to our re-INVITE."""
        return self.within("ACK", body=body)

    def ack_refusal(self) -> Self:
        """Of a final refusal of our re-INVITE."""
        return self._within("ACK", self._branch)

    def _within(
        self, method: str, branch: str, rows: Sequence[str] = (), body: str = "", kind: str = "", fork: str = "t"
    ) -> Self:
        head = [
            f"{method} [$target] SIP/2.0",
            f"Via: SIP/2.0/[transport] {US};branch={branch};rport",
            f"From: [$called];tag=[pid]{fork}[call_number]",
            "To: [$caller]",
            "Call-ID: [call_id]",
            f"CSeq: {self.cseq} {method}",
            "Max-Forwards: 70",
            f"Contact: {CONTACT}",
        ]
        typed = f"Content-Type: {kind or 'application/sdp'}" if body else ""
        return self.send([*head, *rows, typed], body, again=method != "ACK")

    def reinvite(self, body: str, *has: str) -> Self:
        """A re-INVITE that is answered 200, and its ACK."""
        return self.within("INVITE", body=body).recv(100, optional=True).recv(200, *has).ack()

    def bye(self, *rows: str) -> Self:
        return self.within("BYE", *rows).recv(200)

    def hung_up_on(self, *has: str) -> Self:
        """BYE, and its 200."""
        return self.recv("BYE", *has).send(reply(200))

    def cancelled(self) -> Self:
        """CANCEL, its 200, 487 to the INVITE and the ACK of that."""
        return self.recv("CANCEL").send(reply(200)).say(487).acked()


def reply(status: int, *rows: str) -> list[str]:
    """A response to the request that came last."""
    same = ["[last_Via:]", "[last_From:]", "[last_To:]", "[last_Call-ID:]", "[last_CSeq:]"]
    return [f"SIP/2.0 {status} As Scripted", *same, f"Contact: {CONTACT}", *rows]


class Sipp:
    """One run of one scenario, one call.

    Args:
        folder: For the scenario and what it writes.
        port: It speaks from, and is called at.
        target: ``host:port`` of who it calls; for callees anything.
        user: User part it calls.
    """

    def __init__(
        self,
        folder: Path,
        script: Script,
        *,
        port: int,
        target: str,
        user: str = "",
        transport: str = "u1",
        **more: str,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        (folder / "scenario.xml").write_text(script.xml(folder.name))
        (folder / "silence.ulaw").write_bytes(b"\xff" * 8000)
        options = {"-sf": "scenario.xml", "-i": "127.0.0.1", "-p": str(port), "-mp": str(next(MEDIA_PORTS)), "-m": "1"}
        options |= {"-t": transport, "-s": user or "room", "-recv_timeout": str(LONGEST_S * 3000)}
        options |= {"-message_file": "messages.txt", "-error_file": "errors.txt", **more}
        words = [word for pair in options.items() for word in pair]
        self._command = [
            "sipp",
            target,
            *words,
            "-nostdin",
            "-trace_msg",
            "-trace_err",
            "-default_behaviors",
            "all,-bye",
        ]

    async def run(self, longest_s: float = LONGEST_S) -> None:
        """To its end. Raises AssertionError with what went over the wire when a step did not come."""
        process = await asyncio.create_subprocess_exec(
            *self._command, cwd=self.folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        said = b"it took too long"
        try:
            async with asyncio.timeout(longest_s):
                _, said = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, f"{said.decode(errors='replace')[-500:]}\n{self.log()}"

    def log(self) -> str:
        """Its complaints, and every message in and out."""
        parts = [self.folder / name for name in ("errors.txt", "messages.txt")]
        return "\n".join(part.read_text(errors="replace")[-9000:] for part in parts if part.exists())
