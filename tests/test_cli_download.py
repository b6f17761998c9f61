"""Command line: which recordings `download` reads, and which of their files it downloads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner, Result

import recording_core as rec
from recording_core.cli.app import build_command_line
from recording_core.cli.commands.emulate import build_emulator
from recording_core.download.existing_copy import find_verified_copies, update_side_car
from recording_core.testing import Emulator, Reply


def run(*arguments: str, input: str | None = None) -> Result:
    """Run a command in this process; returns its output and exit code."""
    return CliRunner().invoke(build_command_line(), arguments, input=input, prog_name="recordings")


def start_emulator(provider: str, seed: int = 0) -> Emulator:
    settings = {"recordings": 6, "processing": timedelta(0), "seed": seed}
    return build_emulator(rec.providers()[provider], **settings).start()


@pytest.fixture
def accounts(clean_environment: None) -> Iterator[dict[str, Emulator]]:
    """Two accounts of Plivo, which reports no sizes, and one of VoIPBin, in a file."""
    emulators = {
        "sales": start_emulator("plivo", 1),
        "support": start_emulator("plivo", 2),
        "bin": start_emulator("voipbin"),
    }
    tables = []
    for name, emulator in emulators.items():
        given = {"name": name, "base_url": emulator.base_url, **emulator.credentials}
        lines = "".join(f'{key} = "{value}"\n' for key, value in given.items())
        tables.append(f'[[account]]\nprovider = "{emulator.provider}"\nallow_clear = true\n{lines}')
    Path("recordings.toml").write_text("".join(tables))
    Path("recordings.toml").chmod(0o600)
    yield emulators
    for emulator in emulators.values():
        emulator.stop()


def download(*arguments: str, input: str | None = None) -> Result:
    return run("download", *arguments, "--to", "out", input=input)


def list_files() -> list[Path]:
    return sorted(Path("out").glob("[!.]*")) if Path("out").exists() else []


# -- which recordings -----------------------------------------------------------------------------


def test_ids_are_read_from_standard_input(accounts: dict[str, Emulator]) -> None:
    one, two, *_ = accounts["sales"].list_ids()
    done = download("plivo", "-", "--account", "sales", input=f"{one}\r\n\n {two}\n{one}\n")
    assert done.exit_code == 0, done.stderr
    assert len(list_files()) == 2
    assert done.stderr.startswith("2 recordings: 2 downloaded (")
    assert done.stderr.count("\n") == 1
    shown = run("show", "plivo", "-", "--account", "sales", "--json", input=f"{one}\n")
    assert json.loads(shown.stdout)["id"] == one
    deleted = run("delete", "plivo", "-", "--account", "sales", "--yes", input=f"{one}\n{two}\n")
    assert deleted.exit_code == 0, deleted.stderr
    assert not {one, two} & set(accounts["sales"].list_ids())


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_list_is_downloaded_with_the_accounts_that_it_names(
    accounts: dict[str, Emulator], options: tuple[str, ...]
) -> None:
    listed = run("list", "--since", "30d", "--status", "available", *options)
    done = download("-", input=listed.stdout)
    assert done.exit_code == 0, done.stderr
    names = {path.name.split("-")[1] for path in list_files()}
    assert names == set(accounts)
    plivo = run("list", "plivo", "--since", "30d", *options)
    done = download("plivo", "-", "--account", "sales", input=plivo.stdout)
    assert done.exit_code == 2
    assert "belongs to account 'support', not to 'sales'" in done.stderr


@pytest.mark.parametrize(
    ("input", "message"),
    [
        ("a\tb\n", "Line 1 of standard input has 2 fields, and no line with their names is above"),
        ("{\n", "Line 1 of standard input is not JSON"),
        ('{"name": "x"}\n', "Line 1 of standard input has no id of a recording"),
        ("provider\trecording\naudian\tx\n", "Line 2 of standard input is a recording of audian"),
    ],
)
def test_other_lines_are_wrong_usage(
    accounts: dict[str, Emulator], input: str, message: str
) -> None:
    for arguments in (("download", "plivo", "-"), ("delete", "plivo", "-", "--yes")):
        done = run(*arguments, input=input)
        assert (done.exit_code, done.stdout) == (2, "")
        assert message in done.stderr
    assert [emulator.list_requests() for emulator in accounts.values()] == [[], [], []]


def test_arguments_that_contradict_standard_input_are_wrong_usage(
    accounts: dict[str, Emulator],
) -> None:
    for arguments in (("plivo",), ("plivo", "-", "x"), ("-", "x"), ("-",)):
        assert download(*arguments, input="x\n").exit_code == 2
    nothing = download("plivo", "-", input="\n")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "standard input has no ids" in nothing.stderr


def test_errors_of_several_are_named_and_summed_up(accounts: dict[str, Emulator]) -> None:
    [one, *_] = accounts["sales"].list_ids()
    done = download("plivo", one, "nope", "--account", "sales")
    assert done.exit_code == 3
    first, last = done.stderr.splitlines()
    assert first.startswith("Error: nope: plivo get: ")
    assert "(recording nope, account sales, HTTP 404" in first
    assert "1 downloaded (" in last
    assert last.endswith(", 1 not downloaded.")
    assert one in done.stdout


# -- what is already there ------------------------------------------------------------------------


def test_a_file_of_the_reported_size_is_not_downloaded_again(accounts: dict[str, Emulator]) -> None:
    recordings = accounts["bin"]
    id = next(
        each["id"]
        for each in map(json.loads, run("list", "voipbin", "--json").stdout.splitlines()[:-1])
        if each["status"] == "available"
    )
    first = download("voipbin", id)
    assert first.exit_code == 0, first.stderr
    files = {path: path.read_bytes() for path in list_files()}
    with recordings.log_requests("media") as requests:
        again = download("voipbin", id)
    assert (again.exit_code, requests) == (0, [])
    assert again.stderr == "1 recording: 1 already there and verified.\n"
    assert [line.split("\t")[0] for line in again.stdout.splitlines()[1:]] == [
        line.split("\t")[0] for line in first.stdout.splitlines()[1:]
    ]
    # A name alone proves nothing: only the file that was cut is downloaded.
    cut = min(files)
    cut.write_bytes(files[cut][:-2])
    with recordings.log_requests("media") as requests:
        assert download("voipbin", id).exit_code == 0
    assert len(requests) == 1
    assert {path: path.read_bytes() for path in list_files()} == files
    with recordings.log_requests("media") as requests:
        assert download("voipbin", id, "--again").exit_code == 0
    assert len(requests) == len(files)


def test_a_file_without_a_size_is_recognised_by_its_side_car(accounts: dict[str, Emulator]) -> None:
    sales = accounts["sales"]
    arguments = ("plivo", sales.list_ids()[0], "--account", "sales")

    def count_requests(*more: str) -> int:
        with sales.log_requests("media") as requests:
            assert download(*arguments, *more).exit_code == 0
        return len(requests)

    assert count_requests() == 1
    assert count_requests() == 1  # nothing proves that the file is complete
    assert count_requests("--sidecar") == 1
    [media, side_car] = list_files()
    digest, name = side_car.read_text().split()
    assert (side_car.name, name) == (f"{media.name}.sha256", media.name)
    assert len(digest) == 64
    assert count_requests() == 0
    assert count_requests("--again") == 1
    content = media.read_bytes()
    for changed in (content[:-1], content[:-1] + b"x", b""):
        media.write_bytes(changed)
        assert count_requests() == 1
        assert media.read_bytes() == content
    side_car.write_text(f"{digest}  another.mp3\n")
    assert count_requests() == 1
    # The download has corrected the side-car, which is older than the option.
    assert side_car.read_text() == f"{digest}  {media.name}\n"
    assert count_requests() == 0


def test_a_file_that_is_not_verified_has_no_side_car(accounts: dict[str, Emulator]) -> None:
    sales = accounts["sales"]
    arguments = ("plivo", sales.list_ids()[0], "--account", "sales", "--sidecar")
    assert download(*arguments).exit_code == 0
    [media, side_car] = list_files()
    body = media.read_bytes()
    sales.media_faults.append(Reply(200, body, {"Content-Type": "audio/mpeg"}, framing="none"))
    done = download(*arguments, "--again")
    assert done.exit_code == 3
    assert not side_car.exists()
    assert "Nothing proves that the copy is complete" in done.stderr


def test_copies_before_an_error_are_printed(accounts: dict[str, Emulator]) -> None:
    recordings = accounts["bin"]
    listed = map(json.loads, run("list", "voipbin", "--json").stdout.splitlines()[:-1])
    id = next(each["id"] for each in listed if len(each["files"]) > 1)
    first, *_, last = (
        line.split("\t")[0] for line in download("voipbin", id).stdout.splitlines()[1:]
    )
    content = Path(first).read_bytes()
    recordings.media_faults.append(Reply(200, content, {"Content-Type": "audio/wav"}))
    recordings.media_faults.extend([Reply(403)] * 2)
    failed = download("voipbin", id, "nope", "--again")
    assert failed.exit_code == 1
    assert "2 recordings: 2 not downloaded." in failed.stderr
    assert (first in failed.stdout, last in failed.stdout) == (True, False)
    assert "account bin, " in failed.stderr


def test_a_file_of_unlisted_format_is_found_under_the_extension_of_its_content(
    accounts: dict[str, Emulator], tmp_path: Path
) -> None:
    with accounts["sales"].connect() as provider:
        recording = provider.get(accounts["sales"].list_ids()[0])
        [copy] = provider.download(recording, tmp_path / "out")
        update_side_car(copy, wanted=True)
        files = tuple(evolve(each, format=None) for each in recording.files)
        unlisted = evolve(recording, files=files)
        [same] = find_verified_copies(provider, unlisted, files, tmp_path / "out")
    assert (same.path, same.sha256, same.size) == (copy.path, copy.sha256, copy.size)
    assert abs(same.made_at - datetime.now(UTC)) < timedelta(minutes=1)
