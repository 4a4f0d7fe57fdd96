"""``make peers``: the strangers our interop tests speak with, from the Debian or Ubuntu archive."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from stages import Failed, one_sentence, run, say, stage

# What a test needs on the path, or the file → the package that brings it.
PEERS = {
    "/usr/lib/baresip/modules/avcodec.so": "baresip-ffmpeg",
    "/usr/lib/x86_64-linux-gnu/mediastreamer/plugins/libmsopenh264.so": "mediastreamer2-plugin-openh264",
    "/usr/share/perl5/Net/SIP.pm": "libnet-sip-perl",
    "baresip": "baresip-core",
    "chromium": "chromium",
    "espeak-ng": "espeak-ng",
    "faketime": "faketime",
    "flite": "flite",
    "ip": "iproute2",
    "kamailio": "kamailio",
    "linphonec": "linphone-cli",
    "openssl": "openssl",
    # Not driven but built with: OpenH264 without it is slower by half.
    "nasm": "nasm",
    "nft": "nftables",
    "pg_lsclusters": "postgresql",
    "sip-options": "sofia-sip-bin",
    "sipp": "sip-tester",
    "sipsak": "sipsak",
    "sox": "sox",
    "svwar": "sipvicious",
    "turnserver": "coturn",
    "twinkle-console": "twinkle-console",
    # Brings libvpx, which pictures of phones are made with.
    "vpxenc": "vpx-tools",
}


def missing() -> list[str]:
    """Commands and files of ``PEERS`` that are not here."""
    return [name for name in PEERS if shutil.which(name) is None and not Path(name).is_file()]


def may_install() -> bool:
    """Whether this user can use apt: root, or sudo without a question."""
    if shutil.which("apt-get") is None:
        return False
    return os.geteuid() == 0 or _sudo_is_silent()


def _sudo_is_silent() -> bool:
    if shutil.which("sudo") is None:
        return False
    return subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0


def install() -> None:
    """Install what is missing; nothing at all when all of it is here."""
    packages = sorted({PEERS[command] for command in missing()})
    if not packages:
        return
    if shutil.which("apt-get") is None:
        raise Failed(f"The interop peers are Debian packages; install their like by hand: {', '.join(packages)}")
    if not may_install():
        raise Failed(f"Root is needed: sudo apt-get install --no-install-recommends {' '.join(packages)}")
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with stage(f"peers from the distribution ({', '.join(packages)})"):
        run([*sudo, "apt-get", "update"], "peers-update", env=quiet)
        run([*sudo, "apt-get", "install", "-y", "--no-install-recommends", *packages], "peers-install", env=quiet)


def install_if_allowed() -> None:
    """For ``make test``: a peer that cannot be had is named and left to the tests, which skip or fail."""
    if not missing() or may_install():
        try:
            install()
        except Failed as failure:
            print(failure, file=sys.stderr)
    if missing():
        say(f"NOT HERE, their interop tests cannot run: {', '.join(missing())} (make peers, as root, installs them)")


if __name__ == "__main__":
    with one_sentence():
        install()
        say("all peers are here")
