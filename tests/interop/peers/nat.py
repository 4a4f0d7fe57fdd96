"""A house behind a router with address translation, made of Linux network namespaces; it takes root."""

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import namespace

CLONE_NEWNET = namespace.CLONE_NEWNET
SERVER, ROUTER, INSIDE, PHONE = "203.0.113.1", "203.0.113.2", "192.168.77.1", "192.168.77.2"

RULES = """
table ip nat {{
  {helper}
  chain post {{
    type nat hook postrouting priority 100;
    oifname "outside" masquerade random,fully-random
  }}
  chain helped {{
    type filter hook prerouting priority 0;
    {helped}
  }}
}}
"""
HELPER = 'ct helper alg { type "sip" protocol udp; }'
HELPED = 'udp dport 5060 ct helper set "alg"'


class Nat:
    """The server's network is this thread's; the router and the phone have their own.

    Args:
        forgets_after: Seconds without a packet after which the router forgets a UDP mapping.
        alg: Whether the router reads SIP and rewrites the private addresses in it, as Linux's own helper does.
    """

    def __init__(self, *, forgets_after: int = 30, alg: bool = False) -> None:
        self._forgets_after, self._alg = forgets_after, alg
        self._holders: list[subprocess.Popen[bytes]] = []
        self._home = -1

    def __enter__(self) -> Self:
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        namespace.enter()
        router, phone = self._hold(), self._hold()
        self._ip(f"link add server type veth peer name outside netns {router}")
        self._ip(f"addr add {SERVER}/24 dev server")
        self._ip("link set server up")
        within = f"nsenter -t {router} -n "
        for command in (
            f"ip addr add {ROUTER}/24 dev outside",
            "ip link set outside up",
            f"ip link add inside type veth peer name phone netns {phone}",
            f"ip addr add {INSIDE}/24 dev inside",
            "ip link set inside up",
            "sysctl -qw net.ipv4.ip_forward=1",
        ):
            _run(within + command)
        rules = RULES.format(helper=HELPER if self._alg else "", helped=HELPED if self._alg else "")
        subprocess.run([*within.split(), "nft", "-f", "-"], input=rules.encode(), check=True)
        for name in ("nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"):
            _run(f"{within}sysctl -qw net.netfilter.{name}={self._forgets_after}")
        within = f"nsenter -t {phone} -n "
        for command in (
            "ip link set lo up",
            f"ip addr add {PHONE}/24 dev phone",
            "ip link set phone up",
            f"ip route add default via {INSIDE}",
        ):
            _run(within + command)
        self._phone = phone
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _set_namespace(self._home)
        os.close(self._home)
        for holder in self._holders:
            holder.kill()
            holder.wait()

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets made in this block are the phone's."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/proc/{self._phone}/ns/net", os.O_RDONLY)
        try:
            _set_namespace(there)
            yield
        finally:
            _set_namespace(here)
            os.close(here)
            os.close(there)

    def cut(self) -> None:
        """Nothing passes the router any more."""
        _run(f"nsenter -t {self._phone} -n ip link set phone down")
        _run("ip link set server down")

    def mend(self) -> None:
        """Everything passes again."""
        _run("ip link set server up")
        _run(f"nsenter -t {self._phone} -n ip link set phone up")
        _run(f"nsenter -t {self._phone} -n ip route replace default via {INSIDE}")

    def _hold(self) -> int:
        """A process that keeps a namespace of its own."""
        holder = subprocess.Popen(["unshare", "-n", "sleep", "600"])
        self._holders.append(holder)
        # It is there once its network differs from ours.
        mine = Path("/proc/thread-self/ns/net").readlink()
        while Path(f"/proc/{holder.pid}/ns/net").readlink() == mine:
            assert holder.poll() is None, "no namespace could be made"
        return holder.pid

    @staticmethod
    def _ip(command: str) -> None:
        _run(f"ip {command}")


def _run(command: str) -> None:
    done = subprocess.run(command.split(), capture_output=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr.decode()}"


def _set_namespace(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
