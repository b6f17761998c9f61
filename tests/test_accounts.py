"""Are accounts found where they are said to be, and is no credential ever shown or kept?"""

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
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable, file or folder of whoever runs the tests."""
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


def account(**keys: str) -> str:
    """A table of plivo's; each key is TOML as it is."""
    given = {"provider": '"plivo"', "auth_id": '"MA-OF-SUPPORT"', **keys}
    return "[[account]]\n" + "".join(f"{key} = {value}\n" for key, value in given.items())


def printing(text: str) -> str:
    """A command that prints so, as TOML."""
    return (
        "{ command = ["
        + ", ".join(f"'''{word}'''" for word in (sys.executable, "-c", f"print({text!r})"))
        + "] }"
    )


def refusal(path: Path) -> str:
    """Why an account of the file cannot be used, at once or when it is connected to."""

    def connect() -> None:
        for each in rec.find_accounts(path):
            each.connect().close()

    with pytest.raises(rec.ConfigurationError) as refused:
        connect()
    assert SECRET not in str(refused.value)
    assert str(path) in str(refused.value)
    return str(refused.value)


# -- where they are -------------------------------------------------------------------------------


def test_several_accounts_a_vendor_connect_with_their_own_credentials(
    write: Write, plivo: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPPORT_TOKEN", plivo.credentials["auth_token"])
    common = {"base_url": f'"{plivo.base_url}"', "auth_id": f'"{plivo.credentials["auth_id"]}"'}
    path = write(
        account(name='"support"', auth_token='{ env = "SUPPORT_TOKEN" }', **common)
        + account(name='"sales"', auth_token=printing(plivo.credentials["auth_token"]), **common)
    )
    found = rec.find_accounts(path)
    assert [str(each) for each in found] == [
        "account 'support' of plivo",
        "account 'sales' of plivo",
    ]
    for each in found:
        with each.connect() as provider:
            assert {recording.account for recording in provider.list()} == {each.name}


def test_the_file_is_looked_for_in_four_places(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, path in {
        "home": tmp_path / "home/recordings/recordings.toml",
        "here": tmp_path / "here/recordings.toml",
        "variable": tmp_path / "variable.toml",
        "named": tmp_path / "named.toml",
    }.items():
        write(account(name=f'"{name}"', auth_token='{ env = "X" }'), path)
        if name == "variable":
            monkeypatch.setenv("RECORDINGS_CONFIG", str(path))
        [found] = rec.find_accounts(path if name == "named" else None)
        assert found.name == name
        assert found.source == str(path)


def test_without_a_file_each_vendor_whose_variables_are_set_is_an_account(
    plivo: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLIVO_AUTH_ID", plivo.credentials["auth_id"])
    monkeypatch.setenv("VOIPBIN_TOKEN", "x" * 20)
    found = rec.find_accounts()
    assert found == (rec.Account("plivo"), rec.Account("voipbin"))
    with pytest.raises(rec.ConfigurationError, match="PLIVO_AUTH_TOKEN"):
        found[0].connect()  # half of them are set: that is no reason to leave it out


def test_without_anything_the_error_says_what_to_do() -> None:
    with pytest.raises(rec.ConfigurationError, match=r"recordings\.toml.*recordings doctor"):
        rec.find_accounts()


def test_a_file_that_is_named_has_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No such file" in refusal(tmp_path / "nowhere.toml")
    monkeypatch.setenv("RECORDINGS_CONFIG", str(tmp_path))
    with pytest.raises(rec.ConfigurationError, match="cannot be read"):
        rec.find_accounts()


def test_an_account_that_names_no_credential_takes_its_vendors_variables(
    write: Write, plivo: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(f'[[account]]\nprovider = "plivo"\nbase_url = "{plivo.base_url}"')
    for name, value in plivo.credentials.items():
        monkeypatch.setenv(f"PLIVO_{name.upper()}", value)
    with rec.find_accounts(path)[0].connect() as provider:
        assert len(list(provider.list())) == 3


def test_an_account_that_names_one_credential_takes_none_of_another_account(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLIVO_AUTH_TOKEN", SECRET)
    assert "lacks auth_token" in refusal(write(account()))
    monkeypatch.setenv("VOIPBIN_TOKEN", SECRET)
    monkeypatch.setenv("MY_KEY", "k" * 20)
    path = write('[[account]]\nprovider = "voipbin"\naccesskey = { env = "MY_KEY" }')
    rec.find_accounts(path)[0].connect().close()  # with the token, too, it would be refused


# -- credentials ----------------------------------------------------------------------------------


def test_a_credential_in_clear_is_refused_and_both_ways_are_named(write: Write) -> None:
    said = refusal(write(account(name='"support"', auth_token=f'"{SECRET}"')))
    assert "account 'support' of plivo has auth_token in clear" in said
    for way in ('{ env = "VARIABLE" }', "{ command = [", "allow_clear = true"):
        assert way in said


def test_a_credential_in_clear_is_taken_from_who_says_so(write: Write) -> None:
    path = write(account(auth_token=f'"{SECRET}"', allow_clear="true"))
    rec.find_accounts(path)[0].connect().close()


def test_an_account_holds_no_credential_in_any_form(write: Write) -> None:
    path = write(account(auth_token=printing(SECRET), name='"support"'))
    [found] = rec.find_accounts(path)
    whole = pickle.dumps(found)
    assert pickle.loads(whole) == found
    for each in (whole, repr(found).encode(), str(found).encode(), rec.dumps(found).encode()):
        assert SECRET.encode() not in each
        assert b"MA-OF-SUPPORT" not in each
    with found.connect() as provider:
        assert SECRET not in repr(provider)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ('{ env = "NOT_SET" }', "variable NOT_SET, which is not set"),
        ('{ command = ["no-such-program", "s3cr3t-t0ken-of-support"] }', "cannot be run: No such"),
        (f"{{ command = ['{sys.executable}', '-c', 'raise SystemExit(4)'] }}", "exit code 4"),
        (f"{{ command = ['{sys.executable}', '-c', ''] }}", "printed nothing"),
        (printing(f"{SECRET} two"), "holds a space"),
        (
            f"{{ command = ['{sys.executable}', '-c', 'import os; os.write(1, bytes([255]))'] }}",
            "printed what is no text",
        ),
        ("{ command = 'unfinished \"quote' }", "write auth_token as"),
        ("{ command = [] }", "write auth_token as"),
        ("{ command = [1] }", "write auth_token as"),
        ("{ command = ['x'], timeout = 0 }", "write auth_token as"),
        ("{ enw = 'X' }", "write auth_token as"),
        ("7", "write auth_token as"),
    ],
)
def test_a_credential_that_cannot_be_found_names_file_account_and_what_to_do(
    write: Write, way: str, said: str
) -> None:
    text = refusal(write(account(name='"support"', auth_token=way)))
    assert "account 'support' of plivo" in text
    assert "auth_token" in text
    assert said in text


def test_a_command_that_hangs_ends_in_time_with_what_it_started(write: Write) -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    hanging = f"""{{ command = ['{sys.executable}', '-c', '''import time; time.sleep(60)'''],"""
    began = time.monotonic()
    assert "within 0.3 seconds" in refusal(write(account(auth_token=f"{hanging} timeout = 0.3 }}")))
    sleeping = code.replace("input()", "import time; time.sleep(3)")
    nested = f'{{ command = [\'{sys.executable}\', "-c", """{sleeping}"""], timeout = 0.3 }}'
    assert "within 0.3 seconds" in refusal(write(account(auth_token=nested)))
    assert time.monotonic() - began < 2.5


def test_a_command_may_be_one_text_and_no_shell_reads_it(write: Write, plivo: Emulator) -> None:
    path = write(account(auth_token="{ command = 'echo $HOME;true' }"))
    with rec.find_accounts(path)[0].connect() as provider:
        assert "$HOME;true" in provider.transport.secrets._values


# -- what is wrong with the file ------------------------------------------------------------------

GOOD = {"auth_token": '{ env = "X" }'}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no [[account]] table"),
        ("[account]\nprovider = 'plivo'", "has no [[account]] table"),
        ("account = [1]", "has no [[account]] table"),
        ("[[account]\n", "is no TOML: "),
        ("a = 1\na = 2", "is no TOML: "),
        ("x = " + "[" * 5000, "is "),
        (account(**GOOD) + "[other]\nx = 1", "unknown keys (other)"),
        (account(**GOOD, tokn='"x"'), "unknown keys (tokn); it may have auth_id, auth_token"),
        (account(**{**GOOD, "provider": '"plivvo"'}), "no provider is named 'plivvo'; installed"),
        (account(**{**GOOD, "provider": "7"}), 'needs provider = "..."'),
        ("[[account]]\nname = 'x'", 'needs provider = "..."'),
        (account(**GOOD, name='""'), 'needs name = "..."'),
        (account(**GOOD, name='"a\\nb"'), "control characters"),
        (account(**GOOD, http="{ retrys = 1 }"), "http is a table that may have connect_timeout"),
        (account(**GOOD, http="{ retries = 'x' }"), "in http, "),
        (account(**GOOD, http="{ media_hosts = 'all' }"), "in http, "),
        (account(**GOOD, allow_clear='"yes"'), "allow_clear must be true or false"),
        (account(**GOOD, base_url='"http://api.example"'), "http"),
        (account(**GOOD) * 2, "two accounts 'default' of plivo"),
    ],
)
def test_a_file_that_is_wrong_says_where_and_what_to_do(
    write: Write, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setenv("X", "x" * 20)
    assert said in refusal(write(text))


def test_settings_of_http_reach_the_connection(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X", "x" * 20)
    http = '{ total_timeout = 5, workers = 2, rate = "unlimited", media_hosts = "vendor" }'
    with rec.find_accounts(write(account(**GOOD, http=http)))[0].connect() as provider:
        assert provider.http == rec.HttpSettings(
            total_timeout=5, workers=2, rate=None, media_hosts=rec.MediaHosts.VENDOR
        )


def test_an_account_that_left_the_file_says_so(write: Write) -> None:
    path = write(account(**GOOD))
    [found] = rec.find_accounts(path)
    write(account(**GOOD, name='"other"'))
    with pytest.raises(rec.ConfigurationError, match="no longer has account 'default' of plivo"):
        found.connect()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no such owner here")
def test_a_file_that_others_may_write_is_used_only_by_who_names_it(
    write: Write, tmp_path: Path
) -> None:
    path = write(account(**GOOD), tmp_path / "here/recordings.toml")
    path.chmod(0o666)
    with pytest.raises(rec.ConfigurationError, match=r"names commands to run.*chmod o-w"):
        rec.find_accounts()
    assert len(rec.find_accounts(path)) == 1


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.binary(max_size=200) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_are_accounts_or_one_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.toml"
    path.write_bytes(data)
    with pytest.raises(rec.ConfigurationError):
        rec.find_accounts(path)
