"""The command line's way to a running server: one small REST client, tables or JSON, one-line errors with the fix.

The server is ``RINGBACK_URL``, or the one that this folder's settings describe; the key is ``RINGBACK_API_KEY``, the
settings', or the generated one in the data folder.
"""

import json
import os
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ringback.cli.fail import fail as fail
from ringback.cli.plain import plain
from ringback.config import ConfigError, Settings, load_settings

TIMEOUT_SECONDS = 15.0
KEY_FILE = "api-key"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


class Client:
    """Speaks with one server. Whatever goes wrong ends the command with a line on stderr and status 1.

    Args:
        base_url: Without ``/v1`` and without a trailing slash.
        key: API key.
        transport: For tests: instead of the network.
        verify: Certificates to trust.
        timeout: Seconds an answer may take.

    Attributes:
        fail: Told what went wrong; it does not return.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        transport: httpx.BaseTransport | None = None,
        verify: ssl.SSLContext | bool = True,
        timeout: float = TIMEOUT_SECONDS,
        fail: Callable[[str], NoReturn] = fail,
    ) -> None:
        self.base_url = base_url
        self.fail = fail
        self._http = httpx.Client(
            base_url=f"{base_url}/v1",
            headers={"Authorization": f"Bearer {key}"},
            timeout=timeout,
            transport=transport,
            verify=verify,
        )

    def get(self, path: str, **query: object) -> Any:
        """GET; ``None`` values are left out of the query."""
        return self._ask("GET", path, params={name: _text(value) for name, value in query.items() if value is not None})

    def post(
        self, path: str, body: Mapping[str, object] | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        return self._ask("POST", path, json=dict(body or {}), headers=dict(headers or {}))

    def put(self, path: str, body: Mapping[str, object]) -> Any:
        return self._ask("PUT", path, json=dict(body))

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    def pages(self, path: str, **query: object) -> Iterator[dict[str, Any]]:
        """Every row of a list with cursors, newest first."""
        after = None
        while True:
            page = self.get(path, limit=100, starting_after=after, **query)["data"]
            yield from page
            if len(page) < 100:
                return
            after = page[-1]["id"]

    def text(self, path: str, **query: object) -> str:
        """GET of something that is no JSON."""
        wanted = {name: _text(value) for name, value in query.items() if value is not None}
        return self._answer("GET", path, params=wanted).text

    def ready(self) -> str:
        """What the server says against being ready; empty when it is."""
        try:
            response = self._http.get(f"{self.base_url}/readyz")
        except httpx.HTTPError:
            self.fail(f"no server answers at {self.base_url}")
        return "" if response.status_code == 200 else str((self._json(response) or {}).get("info") or "it does not say")

    def page(self, path: str) -> str:
        """GET of what is no part of the API, such as ``/metrics``."""
        return self._answer("GET", f"{self.base_url}{path}").text

    def _answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **request)
        except httpx.ConnectError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                self.fail(
                    f"the certificate of {self.base_url} is not trusted; set SSL_CERT_FILE to its authority's file"
                )
            self.fail(f"no server answers at {self.base_url}; start one with: ringback dev, or set RINGBACK_URL")
        except httpx.HTTPError as error:
            self.fail(f"{self.base_url} did not answer properly: {str(error) or type(error).__name__}")
        if response.status_code == 401:
            self.fail(f"{self.base_url} does not know this key; set RINGBACK_API_KEY to one of its keys")
        if response.status_code != 200:
            answer = self._json(response)
            info = _why(answer) if isinstance(answer, dict) else None
            self.fail(str(info or f"status {response.status_code}"))
        return response

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        return self._json(self._answer(method, path, **request))

    def _json(self, response: httpx.Response) -> Any:
        try:
            return response.json() if response.content else None
        except ValueError:
            self.fail(f"{self.base_url} does not look like a Ringback server (status {response.status_code})")


def connect(timeout_seconds: float = TIMEOUT_SECONDS, fail: Callable[[str], NoReturn] = fail) -> Client:
    """A client for the server that environment and settings point to; it waits that long for an answer."""
    try:
        settings = load_settings()
    except ConfigError as error:
        fail(str(error))
    url = os.environ.get("RINGBACK_URL")
    if url:
        return Client(url.rstrip("/").removesuffix("/v1"), _key(settings, fail), timeout=timeout_seconds, fail=fail)
    if settings.http.certificate is None:
        return Client(_local_url(settings, "http"), _key(settings, fail), timeout=timeout_seconds, fail=fail)
    trusted = ssl.create_default_context()
    try:
        trusted.load_verify_locations(settings.http.certificate)
    except OSError as error:
        fail(f"RINGBACK_HTTP__CERTIFICATE: {error.strerror or error}: {settings.http.certificate}")
    url = settings.public_url or _local_url(settings, "https")
    return Client(url, _key(settings, fail), verify=trusted, timeout=timeout_seconds, fail=fail)


def _why(answer: Mapping[str, Any]) -> object:
    """What a refusal says; that of a vendor of numbers has a shape of its own."""
    faults = answer.get("errors")
    if isinstance(faults, list) and faults and isinstance(faults[0], dict):
        return faults[0].get("detail")
    return answer.get("info") or answer.get("error")


def quoted(segment: str) -> str:
    """A path segment that stays one, whatever is in it."""
    return quote(segment, safe="")


def show_json(value: object) -> None:
    """For programs: the server's own words."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_table(rows: Sequence[Mapping[str, object]], columns: Mapping[str, str], empty: str) -> None:
    """For people.

    Args:
        rows: What to show.
        columns: Heading → key of a row.
        empty: What to say when there are no rows.
    """
    if not rows:
        typer.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in columns:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(escape(_text(row.get(key))) for key in columns.values()))
    # Not a terminal: a program or a file reads it, so nothing is folded.
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


def show_fields(fields: Mapping[str, object]) -> None:
    """One thing, a line per field; those without a value are left out."""
    present = {name: value for name, value in fields.items() if value not in (None, "", {}, [])}
    width = max((len(name) for name in present), default=0)
    for name, value in present.items():
        typer.echo(f"{name:<{width}}  {_text(value)}")


def parse_value(text: str) -> object:
    """What stands right of ``=`` on the command line: JSON when it is JSON, else the text itself."""
    try:
        return json.loads(text, parse_constant=str)
    except ValueError:
        return text


def parse_properties(pairs: Sequence[str]) -> dict[str, object]:
    """``["enable_dialout=true", "sip.video=false"]`` → nested properties; a dot goes one level down."""
    properties: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            fail(f"{pair!r} is not name=value, as in: enable_dialout=true")
        *outer, last = name.split(".")
        inner = properties
        for part in outer:
            step = inner.setdefault(part, {})
            if not isinstance(step, dict):
                fail(f"{pair!r} goes into {part!r}, which was given a value of its own")
            inner = step
        inner[last] = parse_value(value)
    return properties


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return plain(value)
    return plain(json.dumps(value, ensure_ascii=False))


def _local_url(settings: Settings, scheme: str) -> str:
    host = EVERYWHERE.get(settings.http.host, settings.http.host)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.http.port}"


def _key(settings: Settings, fail: Callable[[str], NoReturn]) -> str:
    if settings.api_key is not None:
        return settings.api_key.get_secret_value()
    file = Path(settings.data_dir) / KEY_FILE
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        fail(f"no API key: set RINGBACK_API_KEY (there is none in {file} either)")
