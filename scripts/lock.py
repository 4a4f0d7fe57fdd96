"""``make lock``: write the hash-pinned lists of Python packages anew, newest versions that fit.

They name packages, versions and hashes and nothing of where they came from, so any registry or mirror will do.
"""

from pathlib import Path

from stages import ROOT, one_sentence, stage
from toolchain import TOOLS_LOCK, uv

OPTIONS = ["--universal", "--upgrade", "--generate-hashes", "--python-version", "3.11", "--quiet", "--no-emit-package"]
HOW = ["--custom-compile-command", "make lock"]


def main() -> None:
    # The development list holds the runtime one fixed, so that both can lie in one environment.
    runtime = ROOT / "requirements.lock"
    _lock("runtime", ROOT / "pyproject.toml", runtime)
    _lock("development", ROOT / "pyproject.toml", ROOT / "requirements-dev.lock", "--group", "dev", "-c", runtime)
    _lock("tools", ROOT / "scripts" / "tools.in", TOOLS_LOCK)


def _lock(name: str, source: Path, target: Path, *more: str | Path) -> None:
    with stage(f"lock of {name} packages"):
        uv("pip", "compile", *OPTIONS, "ringback-core", *HOW, *more, source, "-o", target, log=f"lock-{name}")
        # Relative, so that the list does not say on whose machine it was written.
        target.write_text(target.read_text().replace(f"{ROOT}/", ""))


if __name__ == "__main__":
    with one_sentence():
        main()
