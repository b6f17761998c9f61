"""Results of the conformance suite: the table of a run, what a failure shows, and the command."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from attrs import evolve
from click.testing import CliRunner

import recording_core as rec
from recording_core.cli.app import build_command_line
from recording_core.cli.commands import conformance
from recording_core.cli.scaffold.distribution import TEMPLATE as ACME
from recording_core.testing import Emulator, ProviderConformance, Reply, Request, WebhookConformance
from recording_core.testing.conformance.results import outcomes
from recording_core.testing.conformance.results import verdicts as module
from recording_core.testing.conformance.results.exchanges import describe_exchanges, show
from recording_core.testing.conformance.results.outcomes import Outcome
from recording_core.testing.conformance.results.table import (
    build_lines,
    build_markdown,
    build_title,
)
from recording_core.testing.conformance.results.verdicts import ProviderResults
from recording_core.testing.emulator.journal import JournalEntry
from recording_core.webhooks.request import WebhookRequest

SUITE = "test_acme_conformance.py"
CELLS = "test_an_operation_does_what_is_declared"

#: Parts of the suite, so that a run takes a second.
PARTS = """
import pytest
from recording_core.testing.conformance.{module} import {name}

pytestmark = pytest.mark.emulator("acme", recordings=25)

class TestPart({name}):
    {body}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Acme's distribution, as an installer places it on the path, with its tests."""
    site = tmp_path / "site"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("recording_acme", "tests"):
        shutil.copytree(ACME / name, site / name, ignore=ignored)
    info = site / "recording_acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: recording-acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[recording_core]\nacme = recording_acme.plugin\n")
    return site


def spoil(site: Path, name: str, right: str, wrong: str) -> None:
    path = site / "recording_acme" / name
    assert path.read_text().count(right) == 1
    path.write_text(path.read_text().replace(right, wrong))


def run(
    site: Path,
    *command: str,
    columns: int = 100,
    folder: Path | None = None,
    options: str = "",
    stdout: int = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    # Loading the other installed plugins takes longer than the tests.
    environment = {
        **os.environ,
        "PYTHONPATH": str(site),
        "COLUMNS": str(columns),
        "PYTHONUNBUFFERED": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": f"-p recording_core.testing.pytest_plugin {options}",
    }
    return subprocess.run(
        [sys.executable, "-P", "-m", *command],
        cwd=folder or site,
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=200,
    )


def run_pytest(site: Path, *more: str, columns: int = 100) -> str:
    quiet = ("pytest", "-q", "--tb=short", "-p", "no:cacheprovider", "--rootdir", str(site))
    return run(site, *quiet, *more, columns=columns).stdout


def find_line(text: str, start: str) -> str:
    [line] = [each for each in text.splitlines() if re.match(rf"{start}\s", each)]
    return line.removeprefix(start).strip()


def pass_all(provider: str) -> list[Outcome]:
    """Return the outcomes of a run in which each test of the suite passes."""
    tests = [
        Outcome(provider, owner, test, "", "passed")
        for suite in (ProviderConformance, WebhookConformance)
        for owner, test in module._list_tests(suite)
        if test != CELLS
    ]
    cells = [
        Outcome(
            *(provider, "OperationRequirements", CELLS, f"{kind}-{operation}-{each}", "passed"),
            cells=(f"{kind} {operation}",),
        )
        for kind in rec.SessionKind
        for operation in rec.Operation
        for each in (module._WITHOUT, module._WITH)
    ]
    return tests + cells


def format_table(results: ProviderResults, columns: int = 80) -> str:
    lines = build_lines(results, columns)
    return "\n".join("".join(text for text, _ in line) for line in lines)


# -- the table ------------------------------------------------------------------------------------


def test_a_run_ends_in_a_table_also_from_several_processes(site: Path) -> None:
    chosen = "call-start or call-pause or since_long_ago"
    output = run_pytest(site, "-p", "xdist", "-n", "2", f"tests/{SUITE}", "-k", chosen)
    assert "conformance of Acme Voice (recording-acme 1.0): part of the suite" in output
    assert find_line(output, "start").split() == ["yes", "–", "–"]
    assert find_line(output, "pause").split() == ["–", "–", "–"]
    assert re.split(" {2,}", find_line(output, "stop")) == ["not run", "–", "–"]
    assert re.fullmatch(r"not run \(\d+ of \d+\)", find_line(output, "listing"))
    assert find_line(output, "not run").startswith("emulator, starts, ")
    assert re.search(r"part of the suite: of \d+ tests, 6 passed, \d+ not run", output)


def test_a_failure_shows_what_the_vendor_sent_and_costs_its_operation(site: Path) -> None:
    spoil(site, "client.py", "total=total, next=following", "next=None")
    output = run_pytest(site, f"tests/{SUITE}", "-k", "call-start or since_long_ago")
    assert find_line(output, "list").split() == ["no", "–", "–"]
    assert find_line(output, "start").split() == ["yes", "–", "–"]
    assert re.fullmatch(r"no \(2 of \d+ failed\)", find_line(output, "listing"))
    shown = output.partition("What the vendor sent")[2]
    sent = r'^> GET /v1/recordings\?page=1$\n< 200  \{"recordings":\[\{"id":'
    assert re.search(sent, shown, re.MULTILINE)
    assert "The requirement: list is complete and returns each recording once" in output


def test_a_run_without_the_suite_ends_in_no_table(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("def test_one(): pass\n")
    output = run_pytest(tmp_path)
    assert "1 passed" in output
    assert "conformance" not in output


#: What an author may add to a class of the suite, and the result and reason of its one test.
TAKEN_OUT = {
    "test_the_emulator_answers = lambda self: None": ("NOT TESTED", "replace it"),
    "pytestmark = pytest.mark.skip('not declared: a list')": ("NOT TESTED", "skip it"),
    "@pytest.fixture(autouse=True)\n    def connect(self): pytest.skip('not declared')": (
        *("NOT TESTED", "skip it"),
    ),
    "pytestmark = pytest.mark.xfail": ("failed", ""),
    "pass": ("passed", ""),
}


def test_what_the_author_takes_out_of_the_suite_is_no_pass(site: Path) -> None:
    for index, body in enumerate(TAKEN_OUT):
        text = PARTS.format(module="smoke", name="SmokeRequirements", body=body)
        (site / f"test_{index}.py").write_text(text)
    selection = ("-p", "recording_core.testing.conformance.results.selection")
    options = ("--conformance-of", "acme", "--conformance-outcomes", str(site / "found.json"))
    run_pytest(site, *selection, *options, *(f"test_{index}.py" for index in range(len(TAKEN_OUT))))
    found = [Outcome.load(each) for each in json.loads((site / "found.json").read_text())]
    found.sort(key=lambda each: (each.result, each.reason))
    expected = sorted(TAKEN_OUT.values())
    assert [each.result for each in found] == [result for result, _ in expected]
    assert all(reason in each.reason for each, (_, reason) in zip(found, expected, strict=True))


def test_what_is_not_declared_is_neither_a_pass_nor_taken_out(site: Path) -> None:
    (site / "test_one.py").write_text(
        PARTS.format(module="verbs", name="VerbRequirements", body="pass")
    )
    selection = ("-p", "recording_core.testing.conformance.results.selection")
    options = ("--conformance-of", "acme", "--conformance-outcomes", str(site / "found.json"))
    run_pytest(site, *selection, *options, "test_one.py", "-k", "test_a_pause_counts")
    (found,) = map(Outcome.load, json.loads((site / "found.json").read_text()))
    assert (found.result, found.reason) == ("not declared", "pause, resume")


def test_another_process_can_send_each_part_of_an_outcome() -> None:
    assert {type(each) for each in (*outcomes._VERBS, *outcomes._VERBS.values())} == {str}


def test_all_yes_only_if_each_test_of_the_suite_passed() -> None:
    outcomes = pass_all("plivo")
    whole = ProviderResults("plivo", outcomes)
    assert (str(whole.verdict), whole.missing) == ("yes", {})
    assert set(map(str, whole.concerns.values())) == {"yes"}
    assert "part of the suite" not in build_title(whole)
    for index, left_out in list(enumerate(outcomes))[::7]:
        part = ProviderResults("plivo", outcomes[:index] + outcomes[index + 1 :])
        assert part.verdict.word == "not run", left_out
        assert build_title(part).endswith(": part of the suite")


def test_each_class_of_the_suite_has_a_concern() -> None:
    owners = {
        owner
        for each in (ProviderConformance, WebhookConformance)
        for owner, _ in module._list_tests(each)
    }
    assert owners <= set(module.CONCERNS)


def test_a_run_without_assumptions_needs_the_one_with_all() -> None:
    outcomes = [
        each
        if each.owner != "ListingRequirements"
        else Outcome(each.provider, each.owner, each.test, "without assumptions", "passed")
        for each in pass_all("plivo")
    ]
    half = ProviderResults("plivo", outcomes)
    assert half.concerns["listing"].word == "not run"
    others = [
        Outcome(each.provider, each.owner, each.test, "with all assumptions", "passed")
        for each in outcomes
        if each.parameters == "without assumptions"
    ]
    assert ProviderResults("plivo", outcomes + others).concerns["listing"].word == "yes"


def test_a_failed_test_costs_each_operation_that_it_names() -> None:
    def judge(**fields: Any) -> set[str]:
        failed = Outcome("plivo", **{"parameters": "", "result": "failed", **fields})
        results = ProviderResults("plivo", [*pass_all("plivo"), failed])
        assert results.verdict.word == "no"
        table = results.operations
        return {
            f"{kind} {each}"
            for each in table
            for kind in table[each]
            if table[each][kind].word == "no"
        }

    kinds = ("call", "conference", "meeting")
    assert judge(owner="VerbRequirements", test="test_one", cells=("call stop",)) == {"call stop"}
    assert judge(owner="VerbRequirements", test="test_one", operations=("get",)) == {
        f"{kind} get" for kind in kinds
    }
    assert judge(owner="DownloadRequirements", test="test_one") == {f"{k} download" for k in kinds}
    # Not declared, and it did not raise.
    assert judge(owner="OperationRequirements", test=CELLS, cells=("call pause",)) == {"call pause"}


def test_webhooks_that_are_not_declared_are_not_missing() -> None:
    outcomes = [each for each in pass_all("plivo") if module.CONCERNS[each.owner] != "webhooks"]
    results = ProviderResults("plivo", outcomes)
    results.info = evolve(rec.providers()["plivo"], webhooks=None)
    assert results.concerns["webhooks"].word == "not declared"
    assert results.verdict.word == "yes"


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_is_longer_than_the_terminal(columns: int) -> None:
    reason = "to test it, install " + "opentelemetry-instrumentation-requests, " * 5
    untested = Outcome("plivo", "TelemetryRequirements", "test_one", "", "NOT TESTED", reason)
    table = format_table(ProviderResults("plivo", [*pass_all("plivo"), untested]), columns)
    assert max(map(len, table.splitlines())) <= columns
    assert "NOT TESTED (to test it" in find_line(table, "telemetry")
    assert table.splitlines()[-1].startswith("not all tested: of ")


# -- what the vendor sent -------------------------------------------------------------------------


@pytest.mark.emulator("plivo", recordings=30)
def test_exchanges_show_no_credential(emulator: Emulator) -> None:
    token = emulator.credentials["auth_token"]
    signed = "https://media.example/a.wav?X-Signature=sixteen-letters"
    payload = {"password": "pass-word-17", "url": signed, "echo": token, "id": "R1"}
    request = Request("GET", f"/v1/{token}", (("a", token),), {}, b"", emulator.origin)
    media = Request("GET", "/a.wav", (("Expires", "sixteen-letters"),), {}, b"", emulator.origin)
    sound = Reply(200, b"\0" * 9000, {"Content-Type": "audio/wav"})
    long = Reply.json({"rows": ["x" * 5000], "token": "pass-word-17"})
    for each, port, reply in (
        (request, "api", Reply.json(payload)),
        (media, "media", sound),
        (request, "api", long),
        (request, "api", None),
    ):
        emulator.journal.append(JournalEntry.build(each, port, reply))
    text = describe_exchanges(emulator)
    for secret in (token, "sixteen-letters", "pass-word-17"):
        assert secret not in text
    assert '"id":"R1"' in text
    assert "> GET /a.wav?***\n< 200  (9,000 bytes of audio/wav)" in text
    assert text.endswith("the emulator raised an exception")


LINK = "https://media.example/a.wav?X-Amz-Signature=sixteen-letters"


@pytest.mark.emulator("plivo", recordings=30)
def test_exchanges_show_no_signed_link_of_a_form_or_a_query(emulator: Emulator) -> None:
    form = urlencode({"RecordUrl": LINK, "auth_token": "pass-word-17", "Duration": 7}).encode()
    for path, query, body in (
        ("/v1/calls", (("callback", LINK), ("page", "2"), ("since", "2026-01-01T00:00Z")), form),
        ("/v1/media/rec-1", (("st", "sixteen-letters"),), b""),
    ):
        request = Request("GET", path, query, {}, body, emulator.origin)
        reply = Reply(200, form + b"&Rest=" + b"x" * 5000, {"Content-Type": "text/plain"})
        emulator.journal.append(JournalEntry.build(request, "api", reply))
    text = describe_exchanges(emulator, [WebhookRequest("POST", LINK, body=form)])
    assert "sixteen-letters" not in text
    assert "pass-word-17" not in text
    shown = "RecordUrl=https%3A%2F%2Fmedia.example%2Fa.wav%3F***&auth_token=***&Duration=7"
    assert text.count(shown) == 4
    assert "> GET /v1/calls?callback=***&page=2&since=2026-01-01T00%3A00Z  " in text
    assert "> GET /v1/media/rec-1?st=***\n" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"id": "R1", "url": LINK}, "{'id': 'R1', 'url': 'https://media.example/a.wav?***'}"),
        ([("R1", {"token": "pass-word-17"})], "[('R1', {'token': ***})]"),
        (
            f'{{"url":"{LINK}","n":1}}'.encode(),
            """'{"url":"https://media.example/a.wav?***","n":1}'""",
        ),
        (urlencode({"a": LINK}).encode(), "'a=https%3A%2F%2Fmedia.example%2Fa.wav%3F***'"),
        # A form with a link that is not encoded.
        (
            f"a={LINK}&Policy=sixteen-letters".encode(),
            "'a=https%3A%2F%2Fmedia.example%2Fa.wav%3F***'",
        ),
        ({"echo": "a-credential"}, "{'echo': '***'}"),
        ({"credential": "pass-word-17"}, "{'credential': '***'}"),
        ("1e5", "'1e5'"),
        (None, "None"),
        ("x" * 900, f"'{'x' * 398}…"),
    ],
)
def test_a_row_or_body_is_shown_without_credentials(value: object, shown: str) -> None:
    assert show(value, ["a-credential"]) == shown


@pytest.mark.emulator("plivo", recordings=30)
def test_the_last_exchanges_are_shown_and_the_others_counted(
    emulator: Emulator, emulated_provider: rec.Provider
) -> None:
    assert describe_exchanges(emulator) == "nothing: no request reached the emulator"
    recording = next(iter(emulated_provider.list()))
    for _ in range(12):
        emulated_provider.get(recording)
    lines = describe_exchanges(emulator).splitlines()
    assert lines[0] == f"... {len(emulator.journal) - 10} exchanges before"
    assert len(lines) == 21
    assert all(len(each) < 600 for each in lines)


# -- the command ----------------------------------------------------------------------------------


def test_the_command_writes_a_badge_of_a_failure_and_of_a_part(site: Path) -> None:
    spoil(
        site,
        "client.py",
        '        return self._read(self.transport.get(path, operation="get").payload)',
        "        raise RuntimeError(path)",
    )
    text = PARTS.format(module="verbs", name="VerbRequirements", body="pass")
    (site / "test_part.py").write_text(
        f"{text}\ndef test_of_the_author(emulator):\n    assert False\n"
    )
    command = (
        "recording_core",
        "conformance",
        "acme",
        "test_part.py",
        "--badge",
        "--output",
        "out",
    )
    done = run(site, *command)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("Conformance of Acme Voice (recording-acme 1.0): part of the su")
    assert find_line(done.stdout, "get").split()[0] == "no"
    assert "What the vendor sent" in done.stderr
    assert "Error: Acme Voice does not meet all requirements" in done.stderr
    record = json.loads((site / "out" / "conformance.json").read_text())
    assert (record["provider"], record["label"], record["result"]) == ("acme", "Acme Voice", "no")
    assert list(record["versions"]) == ["recording-acme", "recording-core", "python", "pytest"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["date"])
    assert record["operations"]["call"]["get"] == "no"
    assert record["counts"]["failed"] == len(record["failed"]) > 0
    page = (site / "out" / "conformance.md").read_text()
    assert "**not conformant**" in page
    marks = record["fill_in"]  # the example is what `new-provider` writes
    assert f"Not filled in: {marks} places" in page
    assert marks > 10
    assert str(site) not in page + json.dumps(record)


def test_the_command_states_that_a_part_is_no_pass(site: Path) -> None:
    text = PARTS.format(module="smoke", name="SmokeRequirements", body="pass")
    (site / "test_part.py").write_text(text)
    done = run(site, "recording_core", "conformance", "acme", "test_part.py", "--json")
    assert done.returncode == 3, done.stderr
    record = json.loads(done.stdout)
    assert (record["result"], record["counts"]["passed"]) == ("not run", 1)
    (site / "test_part.py").write_text("def test_one(): pass\n")
    done = run(site, "recording_core", "conformance", "acme", "test_part.py")
    assert done.returncode == 2
    assert "none of the suite for acme" in done.stderr


def test_a_reader_that_closes_the_pipe_does_not_change_the_exit_code(site: Path) -> None:
    text = PARTS.format(module="smoke", name="SmokeRequirements", body="pass")
    (site / "test_part.py").write_text(text)
    reader, writer = os.pipe()
    os.close(reader)
    for more in ((), ("--json", "--badge")):
        command = ("recording_core", "conformance", "acme", "test_part.py", *more)
        done = run(site, *command, stdout=writer)
        assert done.returncode == 3, done.stderr
    os.close(writer)
    assert "BrokenPipe" not in done.stderr
    assert (site / "conformance.json").exists()


def test_the_defaults_run_no_module_of_the_current_folder(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "json.py").write_text("raise SystemExit('a module of the project')\n")
    command = ("recording_core", "conformance", "acme")
    done = run(site, *command, folder=folder, options="-k test_the_emulator_answers")
    assert done.returncode == 3, done.stderr
    assert "part of the suite" in done.stdout


def test_a_file_that_is_named_like_an_option_is_run(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    text = PARTS.format(module="smoke", name="SmokeRequirements", body="pass")
    (folder / "--co_test.py").write_text(text.replace("TestPart", "TestConformance"))
    done = run(site, "recording_core", "conformance", "acme", "--json", folder=folder)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["counts"]["passed"] == 1


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """`invoke(arguments...)` runs the command on a run in which each test passed."""
    monkeypatch.chdir(tmp_path)
    chosen: list[Any] = []

    def pass_suite(info: rec.ProviderInfo, tests: Any) -> ProviderResults:
        chosen.append(tests)
        return ProviderResults(info.name, pass_all(info.name))

    monkeypatch.setattr(conformance, "_run_suite", pass_suite)

    def run_command(*arguments: str) -> Any:
        result = CliRunner().invoke(build_command_line(), ["conformance", *arguments])
        return result, chosen

    return run_command


def test_the_command_succeeds_if_all_is_yes(invoke: Callable[..., Any], tmp_path: Path) -> None:
    result, chosen = invoke("plivo", "--badge")
    assert (result.exit_code, chosen) == (0, [()]), result.output
    assert "No tests here name plivo" in result.stderr
    assert "all yes: of " in result.stdout
    assert "**all yes**" in (tmp_path / "conformance.md").read_text()
    assert json.loads((tmp_path / "conformance.json").read_text())["result"] == "yes"


def test_the_command_finds_the_tests_that_name_the_provider(
    invoke: Callable[..., Any], tmp_path: Path
) -> None:
    text = '@pytest.mark.emulator("{}")\nclass TestIt(ProviderConformance): ...\n'
    for path, name in (
        ("tests/test_one.py", "plivo"),
        ("tests/test_other.py", "audian"),
        (".hidden/test_one.py", "plivo"),
        ("venv/lib/site-packages/x/test_one.py", "plivo"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text.format(name))
    (tmp_path / "test_a.py").symlink_to("gone.py")
    os.mkfifo(tmp_path / "test_b.py")
    _, chosen = invoke("plivo")
    assert chosen == [(Path("tests/test_one.py"),)]


def test_a_file_of_the_package_that_cannot_be_read_costs_no_result(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "recording_odd"
    package.mkdir()
    (package / "__init__.py").write_text("# FILL IN: one\n")
    (package / "old.py").write_bytes(b"# coding: latin-1\n# FILL IN: caf\xe9\n")
    (package / "gone.py").symlink_to("missing.py")
    (package / "locked.py").touch()
    os.mkfifo(package / "pipe.py")
    read = Path.read_text

    def read_text(path: Path, **options: str) -> str:
        if path.name == "locked.py":
            raise PermissionError
        return read(path, **options)

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.syspath_prepend(tmp_path)
    info = evolve(rec.providers()["plivo"], client="recording_odd:Client")
    assert conformance._count_marks(info) == 2


def test_a_folder_that_cannot_be_written_ends_the_command_before_the_run(
    invoke: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    result, chosen = invoke("plivo", "--badge", "--output", "file/out")
    assert (result.exit_code, chosen) == (1, [])
    assert "Error: Cannot write file/out: Not a directory" in result.stderr


def test_a_badge_that_cannot_be_written_costs_no_result(
    invoke: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "conformance.md").mkdir()
    result, _ = invoke("plivo", "--badge")
    assert result.exit_code == 1
    assert "all yes: of " in result.stdout
    assert "Error: Cannot write conformance.md: Is a directory" in result.stderr


@pytest.mark.parametrize("provider", sorted(rec.providers()))
def test_the_suite_with_the_defaults_of_an_emulator_is_the_whole(provider: str) -> None:
    text = conformance._build_tests(rec.providers()[provider])
    names: dict[str, Any] = {}
    exec(text, names)
    assert issubclass(names["TestConformance"], ProviderConformance)
    assert issubclass(names["TestWebhookConformance"], WebhookConformance)
    assert names["pytestmark"].kwargs["recordings"] >= 45


def test_wrong_calls_of_the_command(
    invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert invoke("plivo", "--output", "x")[0].exit_code == 2
    assert invoke("unknown")[0].exit_code == 2
    monkeypatch.setattr(conformance, "find_spec", lambda name: None)
    result, _ = invoke("plivo")
    assert result.exit_code == 1
    assert "pip install 'recording-core[testing]'" in result.output


def test_the_page_of_results_has_each_operation_and_concern() -> None:
    results = ProviderResults("plivo", pass_all("plivo"))
    page = build_markdown(results)
    assert "| stop | yes | yes | yes |" in page
    assert "| pause | – | – | yes |" in page
    for concern in results.concerns:
        assert f"| {concern} | yes |" in page


def test_the_guide_describes_each_concern() -> None:
    page = (Path(__file__).parent.parent / "docs" / "writing-a-provider.md").read_text()
    section = page.partition("## 8. The tests")[2].partition("## 9.")[0]
    for concern in dict.fromkeys(module.CONCERNS.values()):
        assert f"\n| {concern} | " in section
