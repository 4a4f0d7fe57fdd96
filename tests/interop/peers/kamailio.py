"""Kamailio 5.6 as a registrar and as a record-routing proxy, on a loopback address of its own (Debian's kamailio)."""

import contextlib
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from interop.peers.process import Process
from interop.peers.waiting import free_port, until

HOST = "127.0.0.2"
PASSWORD = "its-own-password-9"

CONFIG = """\
#!KAMAILIO
debug=2
log_stderror=yes
children=2
auto_aliases=no
disable_tcp=yes
listen=udp:{host}:{port}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "auth.so"
loadmodule "path.so"
modparam("usrloc", "db_mode", 0)
modparam("registrar", "max_expires", {expires})

request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    xlog("L_INFO", "heard $rm $ru from $si\\n");
    if (is_method("CANCEL")) {{
        if (t_check_trans()) {{ t_relay(); }}
        exit;
    }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK") && !t_check_trans()) {{ exit; }}
        sl_send_reply("404", "Not On My Route");
        exit;
    }}
    t_check_trans();
    if (is_method("REGISTER")) {{
        if (uri==myself) {{
            if (!pv_www_authenticate("kam", "{password}", "0")) {{ www_challenge("kam", "1"); exit; }}
            save("location");
            exit;
        }}
        add_path();
        t_relay();
        exit;
    }}
    if (is_method("OPTIONS") && uri==myself) {{ sl_send_reply("200", "OK"); exit; }}
    loose_route();
    if (is_method("INVITE")) {{ record_route(); }}
    if (uri==myself && !lookup("location")) {{ sl_send_reply("404", "Not Here"); exit; }}
    t_relay();
}}
"""


class Kamailio:
    """A SIP server of its own. In-dialog requests that leave out its Route get 404.

    Args:
        folder: Its own.
        expires: The longest registration it grants, in seconds.
    """

    def __init__(self, folder: Path, *, expires: int = 3600) -> None:
        folder.mkdir(parents=True)
        (folder / "run").mkdir()
        self.port = free_port(socket.SOCK_DGRAM)
        self.address = f"{HOST}:{self.port}"
        config = folder / "kamailio.cfg"
        config.write_text(CONFIG.format(host=HOST, port=self.port, password=PASSWORD, expires=expires))
        command = ["kamailio", "-DD", "-E", "-f", config, "-Y", folder / "run", "-P", folder / "run" / "pid"]
        self._process = Process([*command, "-m", "64", "-M", "8"], folder / "log.txt", cwd=folder)

    async def __aenter__(self) -> Self:
        await self._process.start()
        try:
            await until(self._answers, "kamailio answers", 20)
        except BaseException:
            await self._process.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._process.stop()

    async def stop(self) -> None:
        """End it."""
        await self._process.stop()

    async def start(self) -> None:
        """Start it again; it has forgotten who was registered."""
        await self._process.start()
        await until(self._answers, "kamailio answers", 20)

    def log(self) -> str:
        """What it has said, a line for each request it heard."""
        return self._process.output()

    def heard(self, method: str) -> int:
        """How many requests of a method it heard."""
        return self.log().count(f"heard {method} ")

    async def _answers(self) -> bool | None:
        assert self._process.running, f"kamailio ended: {self.log()[-2000:]}"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.2)
            probe.bind(("127.0.0.1", 0))
            here = f"127.0.0.1:{probe.getsockname()[1]}"
            probe.sendto(
                (
                    f"OPTIONS sip:{self.address} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKprobe;rport\r\n"
                    f"Max-Forwards: 70\r\nFrom: <sip:probe@{here}>;tag=1\r\nTo: <sip:{self.address}>\r\n"
                    "Call-ID: probe\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
                ).encode(),
                (HOST, self.port),
            )
            with contextlib.suppress(OSError):
                return probe.recv(2000).startswith(b"SIP/2.0 200") or None
        return None
