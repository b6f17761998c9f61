"""Third-party provider: Acme, a distribution of its own that imports only public names.

The tests place it on the path as an installer would: the package, and metadata with its entry
point.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recording_core.cli.scaffold.distribution import TEMPLATE as ACME

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """`install(fault...)` copies Acme's distribution; each fault replaces a text in a file."""

    def copy(*faults: tuple[str, str, str]) -> Path:
        site = tmp_path / "site"
        package = site / "recording_acme"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ACME / "recording_acme", package, ignore=ignored)
        shutil.copytree(ACME / "tests", site / "tests", ignore=ignored)
        for name, right, wrong in faults:
            text = (package / name).read_text()
            assert text.count(right) == 1, f"{name} does not contain exactly once: {right}"
            (package / name).write_text(text.replace(right, wrong))
        metadata = site / "recording_acme-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: recording-acme\nVersion: 1.0\n"
        )
        (metadata / "entry_points.txt").write_text(
            "[recording_core]\nacme = recording_acme.plugin\n"
        )
        return site

    return copy


def run(site: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site), "ACME_KEY": "key-of-the-environment"}
    return subprocess.run(
        [sys.executable, *command],
        cwd=site,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def run_conformance(site: Path, *more: str) -> subprocess.CompletedProcess[str]:
    suite = site / "tests" / "test_acme_conformance.py"
    quiet = ("-q", "--tb=short", "--show-capture=no", "-p", "no:cacheprovider", "-p", "no:xdist")
    return run(site, "-m", "pytest", *quiet, "--rootdir", str(site), *more, str(suite))


def test_a_third_party_provider_is_listed(install: Install) -> None:
    done = run(install(), "-c", "import recording_core as rec; print(*rec.providers())")
    assert {"acme", "plivo", "realtimekit"} <= set(done.stdout.split()), done.stderr


def test_a_third_party_provider_is_connected_by_its_name(install: Install) -> None:
    done = run(install(), "-c", "import recording_core as rec; print(rec.connect('acme'))")
    assert done.stdout.strip() == (
        "<AcmeProvider account='default' at https://api.acme.example/v1>"
    ), done.stderr


@pytest.mark.long
def test_a_third_party_provider_passes_the_conformance_suite(install: Install) -> None:
    done = run_conformance(install())
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


# Faults of a plugin, an emulator or an assumption. Those of a client are in `bad_providers`.


def test_the_suite_ends_after_its_first_test_if_the_emulator_does_not_answer(
    install: Install,
) -> None:
    head = "    def answer(self, request: Request) -> Reply:\n"
    done = run_conformance(
        install(("emulator/app.py", head, f"{head}        return Reply(abort=True)\n"))
    )
    assert done.returncode == 2, done.stdout
    assert "the emulator of acme does not answer" in done.stdout
    assert "1 failed in" in done.stdout


@pytest.mark.long
def test_the_suite_shows_what_an_emulator_raises(install: Install) -> None:
    fault = ("emulator/listing.py", "if not page.isdecimal():", "if not page.isdecimals():")
    done = run_conformance(install(fault), "-x")
    assert done.returncode == 1, done.stdout
    assert "AttributeError: 'str' object has no attribute 'isdecimals'" in done.stdout


@pytest.mark.long
def test_the_suite_finds_a_capability_that_does_not_exist(install: Install) -> None:
    fault = ("plugin.py", 'call="start stop', 'call="start pause resume stop')
    done = run_conformance(install(fault), "-x")
    assert done.returncode == 1, done.stdout
    assert "The requirement: call pause: declared, so it works for a call" in done.stdout


@pytest.mark.long
def test_the_suite_finds_an_unread_field_that_is_not_named(install: Install) -> None:
    fault = ("mapping.py", "        unread_fields=fields.unread,\n", "")
    done = run_conformance(install(fault), "-x", "-k", "absurd")
    assert done.returncode == 1, done.stdout
    assert "it must name" in done.stdout


@pytest.mark.long
def test_the_suite_finds_a_probe_that_always_holds_and_a_field_that_no_page_shows(
    install: Install,
) -> None:
    always = (
        "assumptions.py",
        "return starts == sorted(starts, reverse=True) if",
        "return True if",
    )
    undocumented = ("mapping.py", '"bytes", "link"', '"bytes"')
    done = run_conformance(install(always, undocumented), "-k", "probe or unknown")
    assert done.returncode == 1, done.stdout
    assert "assumption 1: the probe does not return True for an emulator" in done.stdout
    assert "by default, an emulator sends only what the vendor's pages show" in done.stdout


@pytest.mark.long
def test_the_suite_finds_an_assumption_that_the_emulator_does_not_follow(install: Install) -> None:
    fault = ("emulator/app.py", "before if self.assumes(2) else recording", "recording")
    done = run_conformance(install(fault), "-x", "-k", "probe")
    assert done.returncode == 1, done.stdout
    assert "assumption 2: the probe returns True for an emulator that follows it" in done.stdout


@pytest.mark.long
def test_the_suite_runs_without_assumptions_and_with_all(install: Install) -> None:
    fault = ("client.py", "next=following", "next=_read_next(payload)")
    code = """

def _read_next(payload: Fields) -> str | None:
    starts = [row["started"] for row in payload.array("recordings") or []]
    return None if starts == sorted(starts, reverse=True) else payload.text("next_page")
"""
    site = install(fault)
    client = site / "recording_acme" / "client.py"
    client.write_text(client.read_text() + code)
    done = run_conformance(site, "-k", "test_a_list_since_long_ago")
    assert done.returncode == 1, done.stdout
    assert (
        "test_a_list_since_long_ago_returns_each_recording_once[with all assumptions]"
        in done.stdout
    )
    assert "1 failed, 1 passed" in done.stdout


@pytest.mark.long
def test_the_suite_finds_a_credential_in_a_repr(install: Install) -> None:
    leak = """
    def __repr__(self) -> str:
        return f"<AcmeProvider {vars(self.transport.auth)}>"

    def _auth("""
    done = run_conformance(install(("client.py", "\n    def _auth(", leak)), "-k", "repr")
    assert done.returncode == 1, done.stdout
    assert "the repr or str of AcmeProvider shows the credential key" in done.stdout
    assert "The requirement: repr and str of AcmeProvider show no credential" in done.stdout
