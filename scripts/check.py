"""``make check``: all that a reviewer will run and that needs no running server."""

import os
import shutil
import subprocess
from pathlib import Path

import build
import licences
from run_tests import BIN, WEB, Suite, run_all
from stages import ROOT, Failed, one_sentence, say, stage
from toolchain import check_machine, environment

skipped: list[str] = []
"""What could not be checked here: said again at the end, where it is seen."""


def suites() -> list[Suite]:
    """Formatting, lint, types and contracts of the three languages."""
    # Optimised like the build, so that the same build scripts' output serves both.
    clippy: list[str | Path] = ["cargo", "clippy", "--locked", "--quiet", "--release", "--workspace", "--all-targets"]
    return [
        Suite("Python format", [BIN / "ruff", "format", "--check", "--quiet"]),
        Suite("Python lint", [BIN / "ruff", "check"]),
        Suite("import contracts", [BIN / "lint-imports"]),
        Suite("Python types", [BIN / "mypy"]),
        Suite("Rust format", ["cargo", "fmt", "--all", "--check"]),
        Suite("Rust lint", [*clippy, "--", "-D", "warnings"]),
        Suite("web lint", ["npm", "run", "--silent", "lint"], cwd=WEB),
        Suite("web types", ["npm", "run", "--silent", "check"], cwd=WEB),
    ]


def audits() -> None:
    """Licences always; advisories where cargo-deny and the internet are."""
    with stage("licences"):
        licences.check()
    if shutil.which("cargo-deny") is None:
        _not_audited("cargo install --locked cargo-deny brings the tool")
        return
    env = environment()
    found = subprocess.run(["cargo", "deny", "check"], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if "failed to fetch" in found.stderr:
        _not_audited("their list could not be fetched")
    elif found.returncode != 0:
        print(found.stderr)
        raise Failed("cargo-deny objects to a crate; see above.")


def _not_audited(because: str) -> None:
    """Say so where nobody overlooks it; where CI says that everything is there, it is a failure."""
    sentence = f"NOT CHECKED: advisories and sources of Rust crates; {because}"
    if os.environ.get("CI", "").lower() == "true":
        raise Failed(sentence)
    skipped.append(sentence)
    say(sentence)


def main() -> None:
    check_machine()
    build.python_environment()
    build.developer_environment()
    build.core()
    build.node_packages()
    audits()
    run_all(suites())
    for sentence in skipped:
        say(sentence)


if __name__ == "__main__":
    with one_sentence():
        main()
