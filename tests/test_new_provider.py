"""New provider: the distribution that `recordings new-provider` writes works as it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recording_core.cli.app import build_command_line

#: Without the plugins of this environment, which take seconds to import.
PYTEST = (
    "-m",
    "pytest",
    "-q",
    "-p",
    "no:cacheprovider",
    "-p",
    "recording_core.testing.pytest_plugin",
)

Generate = Callable[..., Path]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(build_command_line(), ["new-provider", *arguments])


@pytest.fixture(autouse=True)
def forget_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the template's package, which other tests import: its name would be taken."""
    for name in [each for each in sys.modules if each.partition(".")[0] == "recording_acme"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def generate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generate:
    """`generate("acme")` writes the distribution, with metadata as an installer writes them."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, *options: str) -> Path:
        result = invoke(name, *options)
        assert result.exit_code == 0, result.output
        folder = tmp_path / result.stdout.strip()
        metadata = folder / f"recording_{name}-0.1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: recording-{name}\nVersion: 0.1.0\n"
        )
        (metadata / "entry_points.txt").write_text(
            f"[recording_core]\n{name} = recording_{name}.plugin\n"
        )
        return folder

    return write


def run(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(folder),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_new_provider_has_its_own_names(generate: Generate) -> None:
    folder = generate("blue_sky2", "--label", "Blue & Sky")
    assert folder.name == "recording-blue-sky2"
    files = [path for path in folder.rglob("*") if path.is_file() and "dist-info" not in str(path)]
    assert len(files) == 24
    for path in files:
        assert "acme" not in f"{path}{path.read_text()}".lower(), path
    code = """
import recording_core as rec
print(rec.providers()["blue_sky2"].label, rec.connect("blue_sky2"), sep="; ")
"""
    done = run(folder, "-c", code, BLUE_SKY2_KEY="k")
    assert done.stdout.strip() == (
        "Blue & Sky; <BlueSky2Provider account='default' at https://api.blue-sky2.example/v1>"
    ), done.stderr


@pytest.mark.parametrize("name", ["acme", "x", "a_name_with_many_letters"])
def test_the_code_of_a_new_provider_is_clean(generate: Generate, name: str) -> None:
    folder = generate(name)
    for command in (("format", "--check", "."), ("check", ".")):
        done = run(folder, "-m", "ruff", *command, "--no-cache")
        assert done.returncode == 0, done.stdout


@pytest.mark.long
def test_the_types_of_a_new_provider_are_strict(generate: Generate) -> None:
    done = run(generate("acme"), "-m", "mypy")
    assert done.returncode == 0, done.stdout


def test_the_tests_of_a_new_provider_pass_and_list_what_is_left(generate: Generate) -> None:
    folder = generate("acme")
    done = run(folder, *PYTEST, "-k", "not Conformance and not Webhooks")
    assert done.returncode == 0, done.stdout
    left = [line.partition("FILL IN ")[2] for line in done.stdout.splitlines() if "FILL IN" in line]
    assert len(left) > 25
    assert left[0] == (
        "recording_acme/plugin.py:12: each setting that `connect` needs, its variable, whether it "
        "is secret (section 2)"
    )
    assert left[-1].startswith("LICENSE:1: ")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_new_provider_is_conformant(generate: Generate) -> None:
    done = run(generate("acme"), *PYTEST)
    assert done.returncode == 0, done.stdout
    assert "conformance of Acme (recording-acme 0.1.0)" in done.stdout


def test_a_place_without_its_comment_must_be_filled_in(generate: Generate) -> None:
    folder = generate("acme")
    client = folder / "recording_acme" / "client.py"
    lines = client.read_text().splitlines(keepends=True)
    client.write_text("".join(line for line in lines if "FILL IN" not in line))
    done = run(folder, *PYTEST, "tests/test_acme_to_do.py")
    assert done.returncode == 1, done.stdout
    assert " has api.acme.example, and no comment FILL IN" in done.stdout


def test_nothing_is_left_when_all_is_filled_in(generate: Generate) -> None:
    folder = generate("acme")
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.name == "test_acme_to_do.py":
            continue
        lines = path.read_text().replace(".example", ".test").splitlines(keepends=True)
        path.write_text("".join(line for line in lines if "FILL IN:" not in line))
    done = run(folder, *PYTEST, "tests/test_acme_to_do.py")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 passed in")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Acme",), "'Acme' is not a provider's name: a letter from a to z, then letters"),
        (("blue-sky",), "'blue-sky' is not a provider's name"),
        (("plivo",), "A provider named plivo is installed: choose another name."),
        (("core",), "A module named recording_core is installed: choose another name."),
        (("a" * 41,), "The name has 41 characters: choose one of at most 40."),
        (("acme", "--label", 'A "B"'), "is not a label: at most 40 letters, digits, spaces"),
        (("acme", "--output", "."), ". exists: choose another directory with --output."),
    ],
)
def test_what_cannot_be_written_is_a_wrong_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_command_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    monkeypatch.chdir(tmp_path)
    write = Path.write_text

    def write_text(path: Path, text: str, **options: str) -> int:
        if path.name == "mapping.py":
            raise failure
        return write(path, text, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", write_text)
        result = invoke("acme")
    assert (result.exit_code, result.stdout) == (1, "")
    assert list(tmp_path.iterdir()) == []
    assert invoke("acme", "--output", str(tmp_path / "acme")).exit_code == 0
    assert [each.name for each in tmp_path.iterdir()] == ["acme"]


def test_the_page_shows_each_file_that_is_written(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "providers" / "README.md").read_text()
    first, *lines = page.split("```\n")[1].splitlines()
    # A description follows after three spaces or more.
    shown = [each for line in lines for each in re.split(" {3,}", line.strip())[0].split()]
    folder = tmp_path / "recording-yours"
    assert invoke("yours", "--output", str(folder)).exit_code == 0
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    assert first == f"{folder.name}/"
    assert sorted(Path(each).name for each in shown if not each.endswith("/")) == sorted(names)


def test_the_next_steps_are_printed(tmp_path: Path) -> None:
    folder = tmp_path / "my providers" / "acme"
    result = invoke("acme", "--output", str(folder))
    assert (result.exit_code, result.stdout) == (0, f"{folder}\n")
    assert f"  cd '{folder}'\n  pip install -e '.[dev]'\n  pytest\n" in result.stderr
    assert "docs/writing-a-provider.md" in result.stderr
