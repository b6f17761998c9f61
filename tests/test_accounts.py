"""Accounts: finding them, reading their credentials, and showing or storing none of those."""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core.testing import Emulator
from recording_plivo.emulator import PlivoEmulator

SECRET = "s3cr3t-t0ken-of-support"

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the variables, files and folders of the user who runs the tests."""
    for info in rec.providers().values():
        monkeypatch.delenv(f"{info.name.upper()}_BASE_URL", raising=False)
        for setting in info.settings:
            monkeypatch.delenv(setting.env, raising=False)
    monkeypatch.delenv("RECORDINGS_CONFIG", raising=False)
    monkeypatch.delenv("APPDATA", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(text: str, path: Path | None = None) -> Path:
        path = path or tmp_path / "accounts.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return put


@pytest.fixture
def plivo() -> Iterator[Emulator]:
    with PlivoEmulator(recordings=3) as emulator:
        yield emulator


def build_account(**keys: str) -> str:
    """Build a table of a Plivo account. The values are TOML."""
    given = {"provider": '"plivo"', "auth_id": '"MA-OF-SUPPORT"', **keys}
    return "[[account]]\n" + "".join(f"{key} = {value}\n" for key, value in given.items())


def build_print_command(text: str) -> str:
    """Build a command that prints a text, as TOML."""
    return (
        "{ command = ["
        + ", ".join(f"'''{word}'''" for word in (sys.executable, "-c", f"print({text!r})"))
        + "] }"
    )


def read_error(path: Path) -> str:
    """Return the error of finding or connecting to the accounts of a file."""

    def connect() -> None:
        for each in rec.find_accounts(path):
            each.connect().close()

    with pytest.raises(rec.ConfigurationError) as caught:
        connect()
    assert SECRET not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


# -- places ---------------------------------------------------------------------------------------


def test_several_accounts_of_a_vendor_use_their_own_credentials(
    write: Write, plivo: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPPORT_TOKEN", plivo.credentials["auth_token"])
    common = {"base_url": f'"{plivo.base_url}"', "auth_id": f'"{plivo.credentials["auth_id"]}"'}
    path = write(
        build_account(name='"support"', auth_token='{ env = "SUPPORT_TOKEN" }', **common)
        + build_account(
            name='"sales"',
            auth_token=build_print_command(plivo.credentials["auth_token"]),
            **common,
        )
    )
    found = rec.find_accounts(path)
    assert [str(each) for each in found] == [
        "account 'support' of plivo",
        "account 'sales' of plivo",
    ]
    for each in found:
        with each.connect() as provider:
            assert {recording.account for recording in provider.list()} == {each.name}


def test_file_is_searched_in_four_places(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, path in {
        "home": tmp_path / "home/recordings/recordings.toml",
        "here": tmp_path / "here/recordings.toml",
        "variable": tmp_path / "variable.toml",
        "named": tmp_path / "named.toml",
    }.items():
        write(build_account(name=f'"{name}"', auth_token='{ env = "X" }'), path)
        if name == "variable":
            monkeypatch.setenv("RECORDINGS_CONFIG", str(path))
        [found] = rec.find_accounts(path if name == "named" else None)
        assert found.name == name
        assert found.source == str(path)


def test_vendors_with_variables_are_accounts_without_a_file(
    plivo: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLIVO_AUTH_ID", plivo.credentials["auth_id"])
    monkeypatch.setenv("VOIPBIN_TOKEN", "x" * 20)
    found = rec.find_accounts()
    assert found == (rec.Account("plivo"), rec.Account("voipbin"))
    with pytest.raises(rec.ConfigurationError, match="PLIVO_AUTH_TOKEN"):
        found[0].connect()  # one of two variables is set: the account is listed and raises here


def test_error_without_any_account_states_what_to_do() -> None:
    with pytest.raises(rec.ConfigurationError, match=r"recordings\.toml.*recordings doctor"):
        rec.find_accounts()


def test_named_file_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No such file" in read_error(tmp_path / "nowhere.toml")
    monkeypatch.setenv("RECORDINGS_CONFIG", str(tmp_path))
    with pytest.raises(rec.ConfigurationError, match="cannot be read"):
        rec.find_accounts()


def test_account_without_credentials_uses_the_environment(
    write: Write, plivo: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(f'[[account]]\nprovider = "plivo"\nbase_url = "{plivo.base_url}"')
    for name, value in plivo.credentials.items():
        monkeypatch.setenv(f"PLIVO_{name.upper()}", value)
    with rec.find_accounts(path)[0].connect() as provider:
        assert len(list(provider.list())) == 3


def test_account_with_one_credential_uses_no_environment(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLIVO_AUTH_TOKEN", SECRET)
    assert "auth_token is missing" in read_error(write(build_account()))
    monkeypatch.setenv("VOIPBIN_TOKEN", SECRET)
    monkeypatch.setenv("MY_KEY", "k" * 20)
    path = write('[[account]]\nprovider = "voipbin"\naccesskey = { env = "MY_KEY" }')
    rec.find_accounts(path)[0].connect().close()  # VoIPBin refuses a token and an access key


# -- credentials ----------------------------------------------------------------------------------


def test_credential_in_clear_text_raises_with_the_alternatives(write: Write) -> None:
    message = read_error(write(build_account(name='"support"', auth_token=f'"{SECRET}"')))
    assert "account 'support' of plivo: auth_token is in clear text" in message
    for form in ('{ env = "VARIABLE" }', "{ command = [", "allow_clear = true"):
        assert form in message


def test_allow_clear_accepts_a_credential_in_clear_text(write: Write) -> None:
    path = write(build_account(auth_token=f'"{SECRET}"', allow_clear="true"))
    rec.find_accounts(path)[0].connect().close()


def test_account_contains_no_credential(write: Write) -> None:
    path = write(build_account(auth_token=build_print_command(SECRET), name='"support"'))
    [found] = rec.find_accounts(path)
    pickled = pickle.dumps(found)
    assert pickle.loads(pickled) == found
    for each in (pickled, repr(found).encode(), str(found).encode(), rec.dumps(found).encode()):
        assert SECRET.encode() not in each
        assert b"MA-OF-SUPPORT" not in each
    with found.connect() as provider:
        assert SECRET not in repr(provider)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ('{ env = "NOT_SET" }', "environment variable NOT_SET is not set"),
        ('{ command = ["no-such-program", "s3cr3t-t0ken-of-support"] }', "cannot be run: No such"),
        (f"{{ command = ['{sys.executable}', '-c', 'raise SystemExit(4)'] }}", "exit code 4"),
        (f"{{ command = ['{sys.executable}', '-c', ''] }}", "printed nothing"),
        (build_print_command(f"{SECRET} two"), "contains a space"),
        (
            f"{{ command = ['{sys.executable}', '-c', 'import os; os.write(1, bytes([255]))'] }}",
            "printed bytes that are not UTF-8 text",
        ),
        ("{ command = 'unfinished \"quote' }", "write auth_token as"),
        ("{ command = [] }", "write auth_token as"),
        ("{ command = [1] }", "write auth_token as"),
        ("{ command = ['x'], timeout = 0 }", "write auth_token as"),
        ("{ enw = 'X' }", "write auth_token as"),
        ("7", "write auth_token as"),
    ],
)
def test_unreadable_credential_raises_with_file_account_and_advice(
    write: Write, form: str, expected: str
) -> None:
    message = read_error(write(build_account(name='"support"', auth_token=form)))
    assert "account 'support' of plivo" in message
    assert "auth_token" in message
    assert expected in message


def test_hanging_command_and_its_children_end_in_time(write: Write) -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    hanging = f"""{{ command = ['{sys.executable}', '-c', '''import time; time.sleep(60)'''],"""
    began = time.monotonic()
    assert "within 0.3 seconds" in read_error(
        write(build_account(auth_token=f"{hanging} timeout = 0.3 }}"))
    )
    sleeping = code.replace("input()", "import time; time.sleep(3)")
    nested = f'{{ command = [\'{sys.executable}\', "-c", """{sleeping}"""], timeout = 0.3 }}'
    assert "within 0.3 seconds" in read_error(write(build_account(auth_token=nested)))
    assert time.monotonic() - began < 2.5


def test_command_as_one_text_is_run_without_a_shell(write: Write, plivo: Emulator) -> None:
    path = write(build_account(auth_token="{ command = 'echo $HOME;true' }"))
    with rec.find_accounts(path)[0].connect() as provider:
        assert "$HOME;true" in provider.transport.secrets._values


# -- malformed files ------------------------------------------------------------------------------

GOOD = {"auth_token": '{ env = "X" }'}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "has no [[account]] table"),
        ("[account]\nprovider = 'plivo'", "has no [[account]] table"),
        ("account = [1]", "has no [[account]] table"),
        ("[[account]\n", "is not valid TOML: "),
        ("a = 1\na = 2", "is not valid TOML: "),
        ("x = " + "[" * 5000, "is "),
        (build_account(**GOOD) + "[other]\nx = 1", "unknown keys (other)"),
        (build_account(**GOOD, tokn='"x"'), "unknown keys (tokn); allowed are auth_id, auth_token"),
        (
            build_account(**{**GOOD, "provider": '"plivvo"'}),
            "No provider named 'plivvo' is installed",
        ),
        (build_account(**{**GOOD, "provider": "7"}), 'needs provider = "..."'),
        ("[[account]]\nname = 'x'", 'needs provider = "..."'),
        (build_account(**GOOD, name='""'), 'needs name = "..."'),
        (build_account(**GOOD, name='"a\\nb"'), "control characters"),
        (
            build_account(**GOOD, http="{ retrys = 1 }"),
            "http must be a table with keys of connect_timeout",
        ),
        (build_account(**GOOD, http="{ retries = 'x' }"), "in http, "),
        (build_account(**GOOD, http="{ media_hosts = 'all' }"), "in http, "),
        (build_account(**GOOD, allow_clear='"yes"'), "allow_clear must be true or false"),
        (build_account(**GOOD, base_url='"http://api.example"'), "http"),
        (build_account(**GOOD) * 2, "two accounts 'default' of plivo"),
    ],
)
def test_malformed_file_raises_with_place_and_advice(
    write: Write, monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    monkeypatch.setenv("X", "x" * 20)
    assert expected in read_error(write(text))


def test_http_settings_reach_the_connection(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "x" * 20)
    http = '{ total_timeout = 5, workers = 2, rate = "unlimited", media_hosts = "vendor" }'
    with rec.find_accounts(write(build_account(**GOOD, http=http)))[0].connect() as provider:
        assert provider.http == rec.HttpSettings(
            total_timeout=5, workers=2, rate=None, media_hosts=rec.MediaHosts.VENDOR
        )


def test_account_that_left_the_file_raises(write: Write) -> None:
    path = write(build_account(**GOOD))
    [found] = rec.find_accounts(path)
    write(build_account(**GOOD, name='"other"'))
    message = "no longer contains account 'default' of plivo"
    with pytest.raises(rec.ConfigurationError, match=message):
        found.connect()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owner on this system")
def test_file_that_others_can_write_must_be_named(write: Write, tmp_path: Path) -> None:
    path = write(build_account(**GOOD), tmp_path / "here/recordings.toml")
    path.chmod(0o666)
    with pytest.raises(rec.ConfigurationError, match=r"contains commands to run.*chmod o-w"):
        rec.find_accounts()
    assert len(rec.find_accounts(path)) == 1


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.binary(max_size=200) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_raise_configuration_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.toml"
    path.write_bytes(data)
    with pytest.raises(rec.ConfigurationError):
        rec.find_accounts(path)
