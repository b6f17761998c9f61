"""Site: built as `make docs` builds it, with checks of links, anchors and public names."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import recording_core as rec
from recording_core import plugin, testing

ROOT = Path(__file__).resolve().parent.parent
#: Elements that make a browser fetch something, and the attribute that contains the address.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src"}
EXTERNAL_LINK = re.compile(r"\]\((https?:[^)]*)\)|<(https?:[^>]*)>")


class Page(HTMLParser):
    """The ids and links of a built page, and the addresses that a browser fetches for it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and "canonical" not in values.get("rel", ""):
            self.fetched.append(values["href"])
        if tag in FETCHED and values.get(FETCHED[tag]):
            self.fetched.append(values[FETCHED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", str(folder / ".doctrees"), str(ROOT / "docs"), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text()) for path in site.glob("*.html")}


@pytest.mark.long
def test_every_link_and_anchor_of_the_site_exists(pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links:
            target = urlsplit(link)
            if target.scheme or target.netloc:
                continue
            linked = (path.parent / unquote(target.path)).resolve() if target.path else path
            anchors = {"", *pages[linked].ids} if linked in pages else {target.fragment}
            if not linked.exists() or unquote(target.fragment) not in anchors:
                broken.append(f"{path.name}: {link}")
    assert broken == []


@pytest.mark.long
def test_the_navigation_names_every_page(site: Path, pages: dict[Path, Page]) -> None:
    links = set(pages[site / "index.html"].links)
    for source in (ROOT / "docs").glob("*.md"):
        if source.stem != "index":  # the page itself
            assert f"{source.stem}.html" in links, f"{source.name} is not in the navigation"


@pytest.mark.long
def test_a_page_fetches_nothing_from_another_host(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        for address in page.fetched:
            assert not urlsplit(address).netloc, f"{path.name} fetches {address}"
            assert (path.parent / urlsplit(address).path).exists(), f"{path.name}: {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"@import|url\(['\"]?(?:https?:)?//", sheet.read_text()), sheet.name


@pytest.mark.long
def test_readmes_link_to_anchors_that_exist(site: Path, pages: dict[Path, Page]) -> None:
    link = re.compile(r"\]\([^)\s]*docs/([\w-]+)\.md#([^)\s]+)\)")
    found = 0
    for readme in [*ROOT.glob("*.md"), *ROOT.glob("providers/**/*.md")]:
        for name, anchor in link.findall(readme.read_text()):
            found += 1
            ids = pages[site / f"{name}.html"].ids
            assert anchor in ids, f"{readme.relative_to(ROOT)} links to {name}.md#{anchor}"
    assert found


def test_external_links_are_well_formed_and_https() -> None:
    for source in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("providers/**/*.md")]:
        text = re.sub(r"^```.*?^```", "", source.read_text(), flags=re.DOTALL | re.MULTILINE)
        for link in (a or b for a, b in EXTERNAL_LINK.findall(text)):
            parts = urlsplit(link)
            where = f"{source.relative_to(ROOT)}: {link}"
            assert parts.scheme == "https", where
            assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), where
            assert not re.search(r"\s|//|\.$", parts.path), where
            assert "utm_" not in parts.query, where


@pytest.mark.long
def test_the_reference_renders_all_markup_of_docstrings(site: Path) -> None:
    for page in ("errors", "reference", "reference-providers", "reference-testing"):
        html = (site / f"{page}.html").read_text()
        html = re.sub(r"<pre>.*?</pre>|<!--.*?-->", "", html, flags=re.DOTALL)
        found = re.search(r".*`.*", html[html.index("<article") : html.index("</article>")])
        assert found is None, f"{page}.html shows a backtick: {found}"


def read_documented_names() -> set[str]:
    """Read the names that the reference pages document, with their modules."""
    directive = re.compile(r"^\.\. (currentmodule|auto\w+|py:data):: ([\w.]+)$", re.MULTILINE)
    names, module = set(), ""
    for page in sorted((ROOT / "docs").glob("*.md")):
        for kind, name in directive.findall(page.read_text()):
            if kind == "currentmodule":
                module = name
            names.add(name if "." in name else f"{module}.{name}")
    return names


def test_every_public_name_is_in_the_reference() -> None:
    names = {f"recording_core.{name}" for name in dir(rec) if name != "__version__"}
    names |= {f"recording_core.testing.{name}" for name in dir(testing)}
    documented = read_documented_names()
    assert names - documented == set()
    # Several names of `plugin` are those of the other two modules, and documented there.
    anywhere = {name.rpartition(".")[2] for name in documented}
    # `AuthBase` and `HTTPBasicAuth` are those of requests.
    assert set(dir(plugin)) - anywhere == {"AuthBase", "HTTPBasicAuth"}


def test_every_public_name_has_a_docstring() -> None:
    undocumentable = {"Capabilities", "__version__"}  # values, which have no docstring
    names = [name for name in dir(rec) if name not in undocumentable]
    assert [name for name in names if not getattr(rec, name).__doc__] == []
