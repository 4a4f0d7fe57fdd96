"""Pages lead somewhere, and every one is found from the first."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changes").glob("*.md")])
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """File and anchor of every link of a page into this repository."""
    for link in LINK.findall(CODE.sub("", page.read_text())):
        if not re.match(r"[a-z]+:", link):
            file, _, anchor = link.partition("#")
            yield ((page.parent / file).resolve() if file else page), anchor


def anchors(page: Path) -> set[str]:
    """What its headings are called in links: small letters, no punctuation, dashes for spaces."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    for file, anchor in links(page):
        assert file.exists(), f"{file.relative_to(ROOT)} is not there"
        assert not anchor or anchor in anchors(file), f"{file.relative_to(ROOT)} has no heading #{anchor}"


def test_the_readme_names_every_page_but_decisions_one_by_one() -> None:
    named = {file for file, _ in links(ROOT / "README.md")}
    pages = {page for page in (ROOT / "docs").rglob("*.md") if "decisions" not in page.parts}

    assert sorted(page.name for page in pages - named) == []
