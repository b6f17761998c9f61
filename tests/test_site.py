"""Does the site hold together? It is built as `make docs` does, and each link of it followed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import recording_core as rec
from recording_core import testing

ROOT = Path(__file__).resolve().parent.parent
#: What a browser fetches by itself, and from where.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src"}
OUTWARD = re.compile(r"\]\((https?:[^)]*)\)|<(https?:[^>]*)>")


class Page(HTMLParser):
    """What a built page names, where it leads, and what it makes a browser fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and "canonical" not in given.get("rel", ""):
            self.fetched.append(given["href"])
        if tag in FETCHED and given.get(FETCHED[tag]):
            self.fetched.append(given[FETCHED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text()) for path in site.glob("*.html") if path.name != "404.html"}


def test_every_link_and_anchor_of_the_site_leads_somewhere(pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links:
            target = urlsplit(link)
            if target.scheme or target.netloc:
                continue
            there = (path.parent / unquote(target.path)).resolve() if target.path else path
            anchors = {"", *pages[there].ids} if there in pages else {target.fragment}
            if not there.exists() or unquote(target.fragment) not in anchors:
                broken.append(f"{path.name}: {link}")
    assert broken == []


def test_the_navigation_names_every_page(site: Path, pages: dict[Path, Page]) -> None:
    start = set(pages[site / "index.html"].links)
    for source in (ROOT / "docs").glob("*.md"):
        name = "." if source.stem == "index" else source.stem
        assert {f"{source.stem}.html", name} & start, f"{source.name} is not in the navigation"


def test_a_page_fetches_nothing_from_anybody(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        for address in page.fetched:
            assert not urlsplit(address).netloc, f"{path.name} fetches {address}"
            assert (path.parent / urlsplit(address).path).exists(), f"{path.name}: {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"@import|url\(['\"]?(?:https?:)?//", sheet.read_text()), sheet.name


def test_the_repositorys_pages_name_anchors_that_exist(site: Path, pages: dict[Path, Page]) -> None:
    into = re.compile(r"\]\([^)\s]*docs/([\w-]+)\.md#([^)\s]+)\)")
    found = 0
    for readme in [*ROOT.glob("*.md"), *ROOT.glob("providers/**/*.md")]:
        for name, anchor in into.findall(readme.read_text()):
            found += 1
            ids = pages[site / f"{name}.html"].ids
            assert anchor in ids, f"{readme.relative_to(ROOT)} links to {name}.md#{anchor}"
    assert found


def test_links_to_others_are_whole_and_encrypted() -> None:
    for source in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("providers/**/*.md")]:
        text = re.sub(r"^```.*?^```", "", source.read_text(), flags=re.DOTALL | re.MULTILINE)
        for link in (a or b for a, b in OUTWARD.findall(text)):
            parts = urlsplit(link)
            where = f"{source.relative_to(ROOT)}: {link}"
            assert parts.scheme == "https", where
            assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), where
            assert not re.search(r"\s|//|\.$", parts.path), where
            assert "utm_" not in parts.query, where


def test_every_public_name_is_in_the_reference() -> None:
    text = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    written = set(re.findall(r"^::: recording_core\.([\w.]+)$", text, re.MULTILINE))
    names = {name for name in rec.__all__ if name != "__version__"}
    names |= {f"testing.{name}" for name in testing.__all__}
    assert names - written == set()


def test_every_public_name_says_what_it_is_for() -> None:
    plain = {"Capabilities", "__version__", "hookimpl"}  # no place for a docstring
    assert [
        name for name in rec.__all__ if name not in plain and not getattr(rec, name).__doc__
    ] == []
