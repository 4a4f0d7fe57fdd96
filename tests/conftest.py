"""What all tests share."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest
import structlog

import namespace


def pytest_configure(config: pytest.Config) -> None:
    """Test processes that run beside each other do so in networks of their own; no logger remembers an earlier test."""
    if hasattr(config, "workerinput"):
        namespace.enter()
    structlog.configure = partial(_configure_uncached, structlog.configure)


def _configure_uncached(configure: Callable[..., None], **settings: object) -> None:
    configure(**{**settings, "cache_logger_on_first_use": False})


def cannot_run(sentence: str) -> NoReturn:
    """Skip the test, loudly; fail it where CI says that everything is there."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


def need_commands(*commands: str) -> None:
    """Skip the test, loudly, where a program (or file) it needs is missing; fail it where CI says that all is there."""
    missing = [command for command in commands if shutil.which(command) is None and not Path(command).is_file()]
    if missing:
        cannot_run(f"{', '.join(missing)} is not here; `make peers`, as root, installs it")


@pytest.fixture(autouse=True)
def _needs(request: pytest.FixtureRequest) -> None:
    """``@pytest.mark.needs("baresip", "chromium")`` names the programs a test drives."""
    for marker in request.node.iter_markers("needs"):
        need_commands(*marker.args)


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """How a test sets logging up ends with it."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
