"""``ringback numbers`` and ``ringback audit``: what they ask the server for."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ringback.cli import audit, numbers

ASKED: list[tuple[str, str, dict[str, Any]]] = []


class Server:
    """Answers as told, and remembers what it was asked."""

    def get(self, path: str, **query: object) -> Any:
        ASKED.append(("GET", path, {name: value for name, value in query.items() if value is not None}))
        return {"data": [], "total_count": 0}

    def post(self, path: str, body: dict[str, Any]) -> Any:
        ASKED.append(("POST", path, body))
        return {"data": body.get("numbers", []), "number": "+14155550123", "id": "n"}


@pytest.fixture(autouse=True)
def _server(monkeypatch: pytest.MonkeyPatch) -> None:
    ASKED.clear()
    monkeypatch.setattr(numbers, "connect", Server)
    monkeypatch.setattr(audit, "connect", Server)


def run(app: Any, *words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result.output


def test_filters_go_to_the_server() -> None:
    assert "no numbers to buy" in run(numbers.app, "available", "--region", "CA", "--city", "San Francisco")
    run(numbers.app, "available", "--areacode", "415")

    assert [query for _, _, query in ASKED] == [{"region": "CA", "city": "San Francisco"}, {"areacode": "415"}]


def test_a_number_is_bought_by_itself_or_any() -> None:
    assert "bought +14155550123 (n)" in run(numbers.app, "buy", "+14155550123")
    run(numbers.app, "buy")

    assert [body for _, _, body in ASKED] == [{"number": "+14155550123"}, {}]


def test_a_file_is_imported_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "numbers.txt"
    file.write_text("# ours\n+14155550123, CA, San Francisco\n\n+442079460000  # London\n")

    assert "2 numbers of acme can be bought" in run(numbers.app, "import", str(file), "--trunk", "acme")

    assert ASKED == [
        (
            "POST",
            "/ringback/number-stock",
            {
                "trunk": "acme",
                "numbers": [
                    {"number": "+14155550123", "region": "CA", "city": "San Francisco"},
                    {"number": "+442079460000"},
                ],
            },
        )
    ]


def test_the_audit_is_asked_for_a_domain_and_a_rule() -> None:
    assert "Nothing was refused." in run(audit.app, "--domain", "*", "--rule", "do-not-call", "--limit", "5")

    assert ASKED == [("GET", "/ringback/audit", {"limit": 5, "domain": "*", "rule": "do-not-call"})]
