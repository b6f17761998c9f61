"""First hour: a desk with three accounts takes each step of docs/command-line.md."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from string import Template

import pytest
from click.testing import CliRunner, Result

import recording_core as rec
from recording_core.cli.app import build_command_line
from recording_core.cli.commands.emulate import build_emulator
from recording_core.testing import Emulator

PAGE = (Path(__file__).parent.parent / "docs" / "command-line.md").read_text(encoding="utf-8")
#: The lines of the page's shell blocks up to its section on emulators.
STEPS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE.partition("## Without")[0], re.M | re.S)
    for line in block.splitlines()
    if line.startswith("recordings ")
]
#: account -> its vendor, and the emulator's seed and number of recordings
ACCOUNTS = {"sales": ("plivo", 1, 6), "support": ("plivo", 2, 6), "eu": ("realtimekit", 1, 40)}


@pytest.fixture
def desk(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Emulator]]:
    """The three accounts, in a folder with the page's file, to which the emulators' URLs are added.

    The token of `eu` is wrong.
    """
    [file] = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.M | re.S)
    emulators: dict[str, Emulator] = {}
    for account, (provider, seed, recordings) in ACCOUNTS.items():
        info = rec.providers()[provider]
        settings = {"recordings": recordings, "processing": timedelta(0), "seed": seed}
        emulator = build_emulator(info, **settings).start()
        emulators[account] = emulator
        for name, value in emulator.credentials.items():
            monkeypatch.setenv(f"{account.upper()}_{name.upper()}", value)
        named = f'name = "{account}"\n'
        file = file.replace(named, f'{named}base_url = "{emulator.base_url}"\n')
    monkeypatch.setenv("EU_API_TOKEN", "wrong")
    Path("recordings.toml").write_text(file, encoding="utf-8")
    Path("recordings.toml").chmod(0o600)
    yield emulators
    for emulator in emulators.values():
        emulator.stop()


def read_rows(text: str) -> list[dict[str, str]]:
    """Read what a command prints in a pipe, as other programs do."""
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


class Desk:
    """Takes one step after the other, as a shell does."""

    def __init__(self, **names: str) -> None:
        self.steps = iter(STEPS)
        self.names = names

    def take_step(self, beginning: str) -> Result:
        """Take the next step of the page, which begins with these words."""
        line = next(self.steps)
        assert line.startswith(f"recordings {beginning}")
        words = shlex.split(Template(line).substitute(self.names))[1:]
        files = {mark: words.pop(words.index(mark) + 1) for mark in "<>" if mark in words}
        words = [word for word in words if word not in files]
        given = Path(files["<"]).read_bytes() if "<" in files else b""
        done = CliRunner().invoke(build_command_line(), words, input=given)
        if ">" in files:
            Path(files[">"]).write_bytes(done.stdout_bytes)
        assert "Traceback" not in done.output
        return done


@pytest.mark.long
def test_the_first_hour_of_a_desk(
    desk: dict[str, Emulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    sales, eu = desk["sales"], desk["eu"]
    [call] = (each.id for each in sales.sessions if each.kind == "call")
    shell = Desk(CALL=call, MEETING=eu.sessions[0].id, RECORDING=sales.list_ids()[0])
    config = str(Path("recordings.toml").absolute())

    # Check the accounts.
    done = shell.take_step("providers")
    assert re.search(r"^plivo\tPlivo\t.*\tsales,support\t", done.stdout, re.M)
    done = shell.take_step("doctor")
    assert done.exit_code == 3
    for account, verdict in (("sales", "ok"), ("support", "ok"), ("eu", "attention")):
        assert re.search(rf"\t{account}\tcredentials\t{verdict}\t", done.stdout)
    assert f"check the credentials and permissions of this account in {config}" in done.stdout
    done = shell.take_step("list --since 30d")
    assert done.exit_code == 3
    assert {line.split("\t")[7] for line in done.stdout.splitlines()[1:]} == {"sales", "support"}
    assert re.search(r"^Recordings from \d{4}-\d\d-\d\d \d\d:\d\d \(UTC\):$", done.stderr, re.M)
    assert re.search(r"^Error: realtimekit eu: realtimekit list: .*401", done.stderr, re.M)
    assert f"; check the credentials and permissions of this account in {config}" in (done.stderr)
    monkeypatch.setenv("EU_API_TOKEN", eu.credentials["api_token"])
    assert shell.take_step("doctor realtimekit").exit_code == 0

    # List.
    done = shell.take_step("list --since yesterday")
    assert done.exit_code == 0, done.stderr
    assert re.search(r"^Recordings from \S+ 00:00 \(Europe/Berlin\):$", done.stderr, re.M)
    assert {"sales", "support", "eu"} == {
        line.split("\t")[7] for line in done.stdout.splitlines()[1:]
    }
    done = shell.take_step("list plivo --since 2m")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "'2m' may mean minutes or months: write 2min" in done.stderr
    assert shell.take_step("list plivo --account sales").exit_code == 0
    rows = read_rows(Path("sales.tsv").read_text())
    assert {row["recording"] for row in rows} == set(sales.list_ids())
    assert {(row["provider"], row["account"]) for row in rows} == {("plivo", "sales")}
    done = shell.take_step("show plivo")
    assert f"recording\t{shell.names['RECORDING']}\n" in done.stdout
    done = shell.take_step("show plivo")
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"(recording {shell.names['RECORDING']}, account support, HTTP 404" in done.stderr

    # Record.
    assert shell.take_step("start plivo call").exit_code == 0
    assert json.loads(Path("session.json").read_text())["account"] == "sales"
    done = shell.take_step("stop -")
    assert (done.exit_code, done.stderr) == (0, "")
    done = shell.take_step("stop realtimekit")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.startswith(
        "Nothing was recording: RealtimeKit shows no recording of meeting"
    )

    # Report to a manager.
    assert shell.take_step("report").exit_code == 0
    page = Path("report.html").read_text(encoding="utf-8")
    assert all(account in page for account in ACCOUNTS)
    done = shell.take_step("report --since 90d --output report.pdf")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no format has the extension .pdf" in done.stderr
    assert shell.take_step("report").exit_code == 0
    assert Path("report.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert not Path("report.pdf").exists()

    # Keep what expires.
    assert shell.take_step("list --expiring 7d").exit_code == 0
    rows = read_rows(Path("expiring.tsv").read_text())
    assert rows
    assert {row["account"] for row in rows} == {"eu"}
    done = shell.take_step("download -")
    assert f"{len(rows)} recordings: {len(rows)} downloaded (" in done.stderr
    copies = read_rows(done.stdout)
    for each in copies:
        content = Path(each["copy"]).read_bytes()
        assert each["sha256"] == hashlib.sha256(content).hexdigest()
        side_car = Path(f"{each['copy']}.sha256")
        assert side_car.exists() is (each["verified"] == "yes")
    assert done.exit_code == (0 if all(each["verified"] == "yes" for each in copies) else 3)
    with eu.log_requests("media") as requests:
        done = shell.take_step("download -")
    again = sum(each["verified"] == "no" for each in copies)
    assert len(requests) == again
    assert f"{len(rows) - again} already there and verified" in done.stderr

    # Delete one recording.
    assert shell.take_step("download plivo").exit_code == 0
    done = shell.take_step("delete plivo")
    place = f"account 'sales' of Plivo at {sales.base_url}"
    assert (done.exit_code, done.stderr) == (0, f"Deleted {shell.names['RECORDING']} of {place}.\n")
    assert shell.names["RECORDING"] not in sales.list_ids()
    assert list(shell.steps) == []
    assert len(STEPS) == 20
