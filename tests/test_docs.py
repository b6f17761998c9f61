"""Docs: their code runs, their links exist, and their generated parts are up to date."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import recording_core as rec
import recording_core.plugin
import recording_core.testing
from recording_audian.emulator import AudianEmulator
from recording_core.cli.scaffold.distribution import TEMPLATE
from recording_core.plugins import hookspecs
from recording_core.testing import Emulator, ManualClock
from recording_plivo.emulator import PlivoEmulator
from recording_realtimekit.emulator import RealtimeKitEmulator
from recording_twilio.emulator import TwilioEmulator
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
    # A block, and the output that the page shows after it, if any.
    r"^```python\n(.*?)^```$(?:\n\n^```output\n(.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
#: A test that tests/broken-on-purpose.md names.
TEST_REFERENCE = re.compile(r"`(\w+\.py)::(\w+)`")
#: The files that such a test may be in.
TEST_FILES = (
    *("tests/*.py", "tests/archive*/*.py", "tests/bad_providers/*.py", "providers/*/tests/*.py"),
    "recording_core/testing/conformance/*.py",
)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)(?:#[^)]*)?\)")


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def vendors(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """The names that pages use, live ids and a clock, with credentials in the environment."""
    clock = ManualClock()
    monkeypatch.setattr("recording_core.provider.connection.SystemClock", lambda: clock)
    # Pages may sleep, which takes no time here.
    monkeypatch.setattr("time.sleep", clock.sleep)
    vendors = (
        *(AudianEmulator, PlivoEmulator, RealtimeKitEmulator),
        *(TwilioEmulator, VoIPBinEmulator),
    )
    emulators: list[Emulator] = [each(recordings=45, clock=clock).start() for each in vendors]
    for emulator in emulators:
        for name, value in {**emulator.credentials, "base_url": emulator.base_url}.items():
            monkeypatch.setenv(f"{emulator.provider.upper()}_{name.upper()}", value)
        hooks = {"SECRET": "s" * 40, "URL": f"https://app.example.com/hooks/{emulator.provider}"}
        for name, value in hooks.items():
            monkeypatch.setenv(f"{emulator.provider.upper()}_WEBHOOK_{name}", value)
    audian, plivo, kit, twilio, voipbin = (
        {str(session.kind): session.id for session in emulator.sessions} for emulator in emulators
    )
    yield {
        "AUDIAN_CALL_ID": audian["call"],
        "AUDIAN_CONFERENCE_ID": audian["conference"],
        "CALL_UUID": plivo["call"],
        "CONFERENCE_NAME": plivo["conference"],
        "MEETING_NAME": plivo["meeting"],
        "MEETING_ID": kit["meeting"],
        "CALL_SID": twilio["call"],
        "CONFERENCE_SID": twilio["conference"],
        "VOIPBIN_CALL_ID": voipbin["call"],
        "VOIPBIN_CONFERENCE_ID": voipbin["conference"],
        "clock": clock,
        "__name__": "page",
    }
    for emulator in emulators:
        emulator.stop()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if BLOCK.search(page.read_text())], ids=page_name
)
def test_the_code_of_a_page_runs(
    page: Path,
    vendors: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(TEMPLATE))  # the guide shows its modules
    text = page.read_text()
    namespace = dict(vendors)
    try:
        for block in BLOCK.finditer(text):
            line = text.count("\n", 0, block.start(1))
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                # Blank lines before the block, so that a failure names the line of the page.
                exec(compile("\n" * line + block[1], page_name(page), "exec"), namespace)
            if block[2] is not None:
                assert printed.getvalue() == block[2], (
                    f"{page_name(page)}, the block at line {line}"
                )
    finally:
        for value in namespace.values():
            if isinstance(value, rec.Provider):
                value.close()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_the_links_of_a_page_exist(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page_name(page)} links to {target}"


def test_the_generated_parts_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run `make docs`:\n{done.stdout}{done.stderr}"


def test_every_hook_is_on_its_page_with_its_arguments() -> None:
    page = (ROOT / "docs" / "hooks.md").read_text()
    hooks = [name for name in vars(hookspecs) if name.startswith("recording_")]
    assert len(hooks) == 6
    for name in hooks:
        code = getattr(hookspecs, name).__code__
        arguments = ", ".join(code.co_varnames[: code.co_argcount])
        assert f"`{name}({arguments})" in page, f"docs/hooks.md lacks {name}({arguments})"


def test_the_providers_guide_imports_only_public_names() -> None:
    page = (ROOT / "docs" / "writing-a-provider.md").read_text()
    public = {
        module.__name__: module.__all__
        for module in (rec, recording_core.plugin, recording_core.testing)
    }
    imported = 0
    for block in BLOCK.finditer(page):
        for node in ast.walk(ast.parse(block[1])):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("recording_core"):
                assert {each.name for each in node.names} <= set(public[str(node.module)])
                imported += 1
    assert imported > 5


def test_a_page_explains_the_names_that_the_tests_provide() -> None:
    provided = re.compile(
        r"(?<![\w.])clock\.|\b[A-Z]+_(?:UUID|NAME|CALL_ID|CONFERENCE_ID)\b|\bMEETING_ID\b"
    )
    explained = 0
    for page in ROOT.glob("docs/*.md"):
        text = page.read_text()
        code = "".join(block[1] for block in BLOCK.finditer(text))
        if page.name != "index.md" and provided.search(code) and "clock = " not in code:
            assert "(index.md#how-to-read-the-code)" in text, f"{page_name(page)} does not explain"
            explained += 1
    assert explained > 10


def test_every_status_and_error_is_on_its_page() -> None:
    statuses = (ROOT / "docs" / "statuses.md").read_text()
    for status in rec.RecordingStatus:
        assert f"| `{status}` |" in statuses
    errors = (ROOT / "docs" / "errors.md").read_text()
    for name in dir(rec):
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
    # The front page of the site.
    assert {page.name for page in ROOT.glob("docs/*.md")} - linked == {"index.md"}


def test_the_reference_of_each_public_name_is_readable_without_a_build() -> None:
    pages = {path.stem: path.read_text() for path in ROOT.glob("docs/*.md")}
    assert not [name for name, text in pages.items() if "{eval-rst}" in text or "{py:" in text]
    shown = "\n".join(pages[name] for name in ("reference", "errors", "reference-testing"))
    for name in (*dir(rec), *dir(recording_core.testing)):
        assert f"\n### `{name}`\n\n" in shown or name == "__version__", f"no text of {name}"
    # The signature, an argument, a method, an enum's value and the comment of an attribute.
    for text in (
        "\nfind_accounts(config: str | os.PathLike[str] | None = None) -> tuple[Account, ...]\n",
        "\n- `base_url`: the URL of the API, else",
        "\n#### `Recording.apply`\n\n```py\napply(event: RecordingEvent) -> Recording\n```\n",
        "\n- `EMPTY` = `'empty'`: there was nothing to record; this is not an error\n",
    ):
        assert text in shown
    assert "\n- `burst`: requests at once, if the vendor" in pages["reference-providers"]


def test_every_test_that_caught_a_broken_line_exists() -> None:
    page = (ROOT / "tests" / "broken-on-purpose.md").read_text()
    rows = re.findall(r"^\| (?!requirement )(.+) \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert len(rows) >= 35
    files = {path.name: path.read_text() for each in TEST_FILES for path in ROOT.glob(each)}
    for requirement, broken, failed in rows:
        tests = TEST_REFERENCE.findall(failed)
        assert tests or failed.startswith("the figure"), f"{requirement}: {broken}: no test"
        for file, name in tests:
            assert f"def {name}(" in files.get(file, ""), f"{file} has no {name}"
