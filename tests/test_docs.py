"""Are the pages true? Their code is run, their links exist, their generated parts are compared."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import recording_core as rec
from recording_audian.emulator import AudianEmulator
from recording_core.plugins import hookspecs
from recording_core.testing import Emulator, ManualClock
from recording_plivo.emulator import PlivoEmulator
from recording_realtimekit.emulator import RealtimeKitEmulator
from recording_voipbin.emulator import VoIPBinEmulator

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("providers/*.md"),
        *ROOT.glob("providers/*/README.md"),
        *ROOT.glob("cassettes/*.md"),
    ]
)
BLOCK = re.compile(
    # A block, and after it what a reader is told that it prints.
    r"^```python\n(.*?)^```$(?:\n\n^```output\n(.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
#: A test that docs/testing.md names as one that went red.
NAMED = re.compile(r"`(\w+\.py)::(\w+)`")
#: Where tests are, those of every provider among them.
TESTED = ("tests/*.py", "providers/*/tests/*.py", "recording_core/testing/conformance/*.py")
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)(?:#[^)]*)?\)")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def vendors(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """What a page's code finds: environment variables of running emulators, live ids, a clock."""
    clock = ManualClock()
    monkeypatch.setattr("recording_core.provider.connection.SystemClock", lambda: clock)
    # A page may sleep as its reader would; here that takes no time.
    monkeypatch.setattr("time.sleep", clock.sleep)
    vendors = (AudianEmulator, PlivoEmulator, RealtimeKitEmulator, VoIPBinEmulator)
    emulators: list[Emulator] = [each(recordings=45, clock=clock).start() for each in vendors]
    for emulator in emulators:
        for name, value in {**emulator.credentials, "base_url": emulator.base_url}.items():
            monkeypatch.setenv(f"{emulator.provider.upper()}_{name.upper()}", value)
        hooks = {"SECRET": "s" * 40, "URL": f"https://app.example.com/hooks/{emulator.provider}"}
        for name, value in hooks.items():
            monkeypatch.setenv(f"{emulator.provider.upper()}_WEBHOOK_{name}", value)
    audian, plivo, kit, voipbin = (
        {str(session.kind): session.id for session in emulator.sessions} for emulator in emulators
    )
    yield {
        "AUDIAN_CALL_ID": audian["call"],
        "AUDIAN_CONFERENCE_ID": audian["conference"],
        "CALL_UUID": plivo["call"],
        "CONFERENCE_NAME": plivo["conference"],
        "MEETING_NAME": plivo["meeting"],
        "MEETING_ID": kit["meeting"],
        "VOIPBIN_CALL_ID": voipbin["call"],
        "VOIPBIN_CONFERENCE_ID": voipbin["conference"],
        "clock": clock,
        "__name__": "page",
    }
    for emulator in emulators:
        emulator.stop()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if BLOCK.search(page.read_text())], ids=named
)
def test_the_code_of_a_page_runs(
    page: Path,
    vendors: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    namespace = dict(vendors)
    try:
        for block in BLOCK.finditer(text):
            line = text.count("\n", 0, block.start(1))
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                # Blank lines before it: a failure then names the page's own line.
                exec(compile("\n" * line + block[1], named(page), "exec"), namespace)
            if block[2] is not None:
                assert printed.getvalue() == block[2], f"{named(page)}, the block at line {line}"
    finally:
        for value in namespace.values():
            if isinstance(value, rec.Provider):
                value.close()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{named(page)} links to {target}"


def test_the_generated_parts_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run `make docs`:\n{done.stdout}{done.stderr}"


def test_every_hook_is_on_its_page_with_its_arguments() -> None:
    page = (ROOT / "docs" / "hooks.md").read_text()
    hooks = [name for name in vars(hookspecs) if name.startswith("recording_")]
    assert len(hooks) == 5
    for name in hooks:
        code = getattr(hookspecs, name).__code__
        arguments = ", ".join(code.co_varnames[: code.co_argcount])
        assert f"`{name}({arguments})" in page, f"docs/hooks.md lacks {name}({arguments})"


def test_a_page_that_uses_what_the_tests_put_there_says_what_it_stands_for() -> None:
    given = re.compile(
        r"(?<![\w.])clock\.|\b[A-Z]+_(?:UUID|NAME|CALL_ID|CONFERENCE_ID)\b|\bMEETING_ID\b"
    )
    told = 0
    for page in ROOT.glob("docs/*.md"):
        text = page.read_text()
        code = "".join(block[1] for block in BLOCK.finditer(text))
        if page.name != "index.md" and given.search(code) and "clock = " not in code:
            assert "(index.md#how-to-read-the-code)" in text, f"{named(page)} does not"
            told += 1
    assert told > 10


def test_every_status_and_error_is_on_its_page() -> None:
    statuses = (ROOT / "docs" / "statuses.md").read_text()
    for status in rec.RecordingStatus:
        assert f"| `{status}` |" in statuses
    errors = (ROOT / "docs" / "errors.md").read_text()
    for name in rec.__all__:
        value = getattr(rec, name)
        if isinstance(value, type) and issubclass(value, rec.RecordingError):
            assert f"`{name}`" in errors, f"docs/errors.md lacks {name}"


def test_the_readme_names_the_two_commands_and_they_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    readme = (ROOT / "README.md").read_text()
    for command in ("demo", "test", "test-all"):
        assert f"make {command}" in readme
        assert re.search(rf"^{command}:", makefile, re.MULTILINE)


def test_every_page_is_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    linked = {Path(target).name for target in LINK.findall(readme) if target.startswith("docs/")}
    # The site's own front page, and the reference, which only the site can show.
    of_the_site = {"index.md", "reference.md", "reference-providers.md", "reference-testing.md"}
    assert {page.name for page in ROOT.glob("docs/*.md")} - linked == of_the_site


def test_every_test_that_is_said_to_have_gone_red_is_there() -> None:
    page = (ROOT / "docs" / "testing.md").read_text()
    rows = re.findall(r"^\| (?!promise )(.+) \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert len(rows) >= 35
    files = {path.name: path.read_text() for each in TESTED for path in ROOT.glob(each)}
    for promise, broken, red in rows:
        named = NAMED.findall(red)
        assert named or red.startswith("the figure"), f"{promise}: {broken}: no test"
        for file, name in named:
            assert f"def {name}(" in files.get(file, ""), f"{file} has no {name}"
