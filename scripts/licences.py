"""No GPL in what a default install brings: the licences of every locked Python, Rust and web package."""

import json
import re
import subprocess
from collections.abc import Iterator

from stages import ROOT, Failed, one_sentence
from toolchain import VENV, environment

GPL = re.compile(r"(?<![A-Z])A?GPL|GENERAL PUBLIC LICENSE", re.IGNORECASE)
LESSER = re.compile(r"LGPL|LESSER GENERAL PUBLIC LICENSE", re.IGNORECASE)
READ_PYTHON = """
import importlib.metadata as m, json, sys
def words(name):
    about = m.metadata(name)
    named = [c for c in about.get_all("Classifier", []) if c.startswith("License ::")]
    return about.get("License-Expression") or "; ".join(named) or (about.get("License") or "")[:200]
print(json.dumps({name: words(name) for name in json.load(sys.stdin)}))
"""


def check() -> None:
    """Raises Failed naming every package with GPL code, or with no licence at all."""
    bad = [f"{name}: {text or 'no licence named'}" for name, text in _all() if not _acceptable(text)]
    if bad:
        raise Failed("These packages may not be in a default install:\n  " + "\n  ".join(bad))


def _acceptable(text: str) -> bool:
    # Of a choice ("MIT OR GPL-2.0") one acceptable side is enough.
    return any(side.strip() and not GPL.search(LESSER.sub("", side)) for side in re.split(r"\bOR\b", text))


def _all() -> Iterator[tuple[str, str]]:
    yield from _python()
    yield from _rust()
    yield from _web()


def _python() -> Iterator[tuple[str, str]]:
    lock = (ROOT / "requirements.lock").read_text()
    # A pin with a marker may be for another system, and so not be here.
    names = re.findall(r"^([A-Za-z0-9._-]+)==[^;\n]*\\$", lock, re.MULTILINE)
    command = [str(VENV / "bin" / "python"), "-c", READ_PYTHON]
    answer = subprocess.run(command, input=json.dumps(names), capture_output=True, text=True, check=True)
    yield from json.loads(answer.stdout).items()


def _rust() -> Iterator[tuple[str, str]]:
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    answer = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    for package in json.loads(answer.stdout)["packages"]:
        yield package["name"], package["license"] or ("see its licence file" if package["license_file"] else "")


def _web() -> Iterator[tuple[str, str]]:
    packages = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
    for path, package in packages.items():
        shipped = path.startswith("node_modules/") and not (package.get("dev") or package.get("link"))
        if shipped:
            yield path.removeprefix("node_modules/"), package.get("license", "")


if __name__ == "__main__":
    with one_sentence():
        check()
