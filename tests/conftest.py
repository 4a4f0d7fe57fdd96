"""What all tests share."""

import os
import shutil

import pytest


def need_commands(*commands: str) -> None:
    """Skip the test, loudly, where a program it drives is missing; fail it where CI says that everything is there."""
    missing = [command for command in commands if shutil.which(command) is None]
    if not missing:
        return
    sentence = f"{', '.join(missing)} is not here; `make peers`, as root, installs it"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


@pytest.fixture(autouse=True)
def _needs(request: pytest.FixtureRequest) -> None:
    """``@pytest.mark.needs("baresip", "chromium")`` names the programs a test drives."""
    for marker in request.node.iter_markers("needs"):
        need_commands(*marker.args)
