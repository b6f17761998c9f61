"""Can a stranger add a vendor? Acme: its own distribution, and only what we publish.

It is put on the path as an installer would, without one: the package, and beside it the metadata
that names its entry point.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ACME = Path(__file__).parent / "third_party"

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """`install(fault...)`: a copy of Acme's distribution; each fault replaces a text in a file."""

    def put(*faults: tuple[str, str, str]) -> Path:
        site = tmp_path / "site"
        package = site / "recording_acme"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ACME / "recording_acme", package, ignore=ignored)
        shutil.copytree(ACME / "tests", site / "tests", ignore=ignored)
        for name, right, wrong in faults:
            text = (package / name).read_text()
            assert text.count(right) == 1, f"{name} has not once: {right}"
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

    return put


def run(site: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site), "ACME_KEY": "key-of-the-environment"}
    return subprocess.run(
        [sys.executable, *command],
        cwd=site,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )


def conformance(site: Path, *more: str) -> subprocess.CompletedProcess[str]:
    suite = site / "tests" / "test_acme_conformance.py"
    quiet = ("-q", "--tb=short", "--show-capture=no", "-p", "no:cacheprovider", "-p", "no:xdist")
    return run(site, "-m", "pytest", *quiet, "--rootdir", str(site), *more, str(suite))


def test_it_is_listed_beside_ours(install: Install) -> None:
    done = run(install(), "-c", "import recording_core as rec; print(*rec.providers())")
    assert {"acme", "plivo", "realtimekit"} <= set(done.stdout.split()), done.stderr


def test_it_is_connected_by_its_name(install: Install) -> None:
    done = run(install(), "-c", "import recording_core as rec; print(rec.connect('acme'))")
    assert done.stdout.strip() == (
        "<AcmeVoice account='default' at https://api.acme.example/v1>"
    ), done.stderr


def test_it_passes_the_shipped_suite(install: Install) -> None:
    done = conformance(install())
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


# Each of the three is a fault that its author would not see when he tries it out.


def test_a_capability_that_lies_is_found_out(install: Install) -> None:
    lie = ("plugin.py", 'call="start stop', 'call="start pause resume stop')
    done = conformance(install(lie), "-x")
    assert done.returncode == 1, done.stdout
    assert "The promise: call pause: recording is suspended" in done.stdout


def test_a_lost_page_is_found_out(install: Install) -> None:
    loss = ("client.py", "total=total, next=next_page", "next=None")
    done = conformance(install(loss), "-x")
    assert done.returncode == 1, done.stdout
    assert "lost 25 of 45 recordings" in done.stdout
    assert "The promise: list is complete, and each recording comes once" in done.stdout


def test_a_token_in_a_repr_is_found_out(install: Install) -> None:
    shown = """
    def __repr__(self) -> str:
        return f"<AcmeVoice {vars(self.transport.auth)}>"

    def _auth("""
    done = conformance(install(("client.py", "\n    def _auth(", shown)))
    assert done.returncode == 1, done.stdout
    assert "a AcmeVoice shows the credential key" in done.stdout
    assert "The promise: repr and str of a AcmeVoice show no credential" in done.stdout
