"""Command `conformance`: runs the conformance suite for a provider, and writes its results."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, Any

import click

import recording_core as rec
from recording_core.cli.arguments import PROVIDER
from recording_core.cli.output.messages import AttentionNeeded, write_message
from recording_core.plugins import registry as plugins

if TYPE_CHECKING:
    from recording_core.testing import Emulator
    from recording_core.testing.conformance.results.verdicts import ProviderResults

#: Folders that contain no tests of the author's.
_OTHER_FOLDERS = frozenset({"node_modules", "site-packages", "build", "dist"})

#: The suite with its defaults.
_TESTS = """\
import pytest

from recording_core.testing import ProviderConformance, WebhookConformance

pytestmark = pytest.mark.emulator({name!r}, **{settings!r})


class TestConformance(ProviderConformance):
    pass
"""
#: For an emulator that has a hang-up, which ends a recording as the vendor does.
_HANG_UP = """
    def end(self, emulator, session):
        with emulator.lock:
            emulator.hang_up(session.target)
"""
_WEBHOOK_TESTS = """

class TestWebhookConformance(WebhookConformance):
    pass
"""


#: For a package that `new-provider` wrote and that still describes the vendor of its template.
_FILL_IN = "Not filled in: {} places of the package are marked FILL IN."


@click.command()
@click.argument("provider", type=PROVIDER)
@click.argument(
    "tests", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[TESTS]..."
)
@click.option(
    "--badge",
    is_flag=True,
    help="Write the results to conformance.md and conformance.json, also if a requirement is not "
    "met.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="The directory of these two files.  [default: the current directory]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON object.")
def conformance(
    provider: str, tests: tuple[Path, ...], badge: bool, output: Path | None, as_json: bool
) -> None:
    """Run the conformance suite for an installed provider.

    Runs TESTS, files or folders whose classes inherit the suite. Without TESTS, runs those below
    the current directory that name the provider's emulator by a marker. If there are none, it runs
    the suite with the defaults of the emulator. It needs no account and no network.

    The progress and the failures are written to standard error, and the results to standard output.

    Exit code 1: a requirement is not met. Exit code 3: not all requirements were tested.
    """
    if output is not None and not badge:
        raise click.UsageError("--output needs --badge.")
    info = plugins.get_provider_info(provider)
    if info.emulator is None:
        raise click.UsageError(f"{provider} has no emulator, against which the suite runs.")
    if find_spec("pytest") is None or find_spec("hypothesis") is None:
        raise rec.ConfigurationError(
            "The conformance suite needs pytest and hypothesis, which are not installed: "
            "pip install 'recording-core[testing]'"
        )
    folder = output or Path()
    if badge:
        _prepare_folder(folder)
    chosen = tests or tuple(_find_tests(provider, Path()))
    if chosen and not tests:
        write_message(f"Running {', '.join(map(str, chosen))}.")
    elif not tests:
        write_message(f"No tests here name {provider}: running the suite with its defaults.")
    results, marks = _run_suite(info, chosen), _count_marks(info)
    record = {**results.build_record(), "fill_in": marks}
    try:
        if as_json:
            click.echo(json.dumps(record, ensure_ascii=False))
        else:
            _write_table(results)
    except BrokenPipeError:
        # The exit code is still that of the verdict; the interpreter flushes the output at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if badge:
        _write_badge(results, record, folder)
    if marks:
        write_message(_FILL_IN.format(marks))
    if results.verdict.word == "no":
        raise rec.RecordingError(f"{info.label} does not meet all requirements")
    if results.verdict.word != "yes":
        raise AttentionNeeded()


def _count_marks(info: rec.ProviderInfo) -> int:
    """Count the places of a package that still describe the vendor of `new-provider`."""
    spec = find_spec(info.client.partition(":")[0].partition(".")[0])
    folders = (spec and spec.submodule_search_locations) or ()
    files = (path for each in folders for path in Path(each).rglob("*.py"))
    return sum(_read_code(path).count("# FILL IN:") for path in files)


def _read_code(path: Path) -> str:
    """Read a file, or nothing of what cannot be read, such as a link to a file that is gone."""
    try:
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    except OSError:
        return ""


def _find_tests(provider: str, folder: Path) -> Iterator[Path]:
    """Yield the files of tests that inherit the suite and name the provider in a marker."""
    marker = re.compile(rf"\bemulator\(\s*(?:provider\s*=\s*)?[\"']{re.escape(provider)}[\"']")
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(
            each
            for each in folders
            if not each.startswith(".")
            and each not in _OTHER_FOLDERS
            and not Path(root, each, "pyvenv.cfg").exists()
        )
        for path in (Path(root, each) for each in sorted(files)):
            if not re.fullmatch(r"test_.*\.py|.*_test\.py", path.name):
                continue
            text = _read_code(path)
            if "Conformance" in text and marker.search(text):
                yield path


def _run_suite(info: rec.ProviderInfo, tests: Sequence[Path]) -> ProviderResults:
    from recording_core.testing.conformance.results.outcomes import Outcome
    from recording_core.testing.conformance.results.verdicts import ProviderResults

    with TemporaryDirectory(prefix="recordings-conformance-") as name:
        folder = Path(name)
        outcomes = folder / "outcomes.json"
        command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
        command += ["-p", "recording_core.testing.conformance.results.selection"]
        command += ["--conformance-of", info.name, "--conformance-outcomes", str(outcomes)]
        if tests:
            # Absolute, since a file may have the name of an option, such as --co_test.py.
            command += (str(each.absolute()) for each in tests)
        else:
            # Neither the modules nor the settings of the project in the current directory.
            command.insert(1, "-P")
            (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
            path = folder / "test_conformance.py"
            path.write_text(_build_tests(info), encoding="utf-8")
            command += ["-c", str(folder / "pytest.ini"), "--rootdir", name, str(path)]
        # pytest's output is progress: it goes to standard error.
        code = subprocess.run(command, stdout=2, check=False).returncode  # noqa: S603
        found = json.loads(outcomes.read_text(encoding="utf-8")) if outcomes.exists() else []
    own = [Outcome.load(each) for each in found if each["provider"] == info.name]
    if not own and code in (4, 5):
        raise click.UsageError(f"The tests contain none of the suite for {info.name}.")
    results = ProviderResults(info.name, own)
    if not own or (code == 1 and results.verdict.word != "no"):
        raise rec.RecordingError(f"The suite was not carried out; pytest ended with code {code}")
    return results


def _build_tests(info: rec.ProviderInfo) -> str:
    from recording_core.testing import Emulator

    emulator: type[Emulator] = plugins.load_object(info, "emulator")
    settings = dict(emulator.conformance_settings)
    text = _TESTS.format(name=info.name, settings=settings)
    text += _HANG_UP if emulator.hang_up is not Emulator.hang_up else ""
    return text + (_WEBHOOK_TESTS if info.webhooks is not None else "")


def _prepare_folder(folder: Path) -> None:
    """Create the folder, if it is missing, and a file in it: the run takes minutes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise click.ClickException(f"Cannot write {folder}: {error.strerror}") from None


def _write_badge(results: ProviderResults, record: Mapping[str, Any], folder: Path) -> None:
    from recording_core.testing.conformance.results.table import build_markdown

    page = build_markdown(results)
    if record["fill_in"]:
        page += f"\n{_FILL_IN.format(record['fill_in'])}\n"
    values = json.dumps(record, ensure_ascii=False, indent=2)
    for name, text in (("md", page), ("json", values + "\n")):
        path = folder / f"conformance.{name}"
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise click.ClickException(f"Cannot write {path}: {error.strerror}") from None
        write_message(f"Written: {path}")


def _write_table(results: ProviderResults) -> None:
    from recording_core.testing.conformance.results.table import build_lines, build_title

    title = build_title(results)
    click.secho(f"{title[0].upper()}{title[1:]}\n", bold=True)
    for line in build_lines(results, shutil.get_terminal_size().columns):
        parts = (
            click.style(
                text, bold=True if style == "bold" else None, fg=None if style == "bold" else style
            )
            for text, style in line
        )
        click.echo("".join(parts))
