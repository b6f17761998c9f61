"""Accounts: finding them, reading their credentials, and showing or storing none of those."""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core.accounts import find_same_accounts
from recording_core.configuration.credential import MAX_OUTPUT
from recording_core.testing import Emulator
from recording_plivo.emulator import PlivoEmulator

SECRET = "s3cr3t-t0ken-of-support"

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _enter_folder(clean_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


def set_variables(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> None:
    """Let the environment configure the account of a Plivo emulator."""
    monkeypatch.setenv("PLIVO_BASE_URL", emulator.base_url)
    for name, value in emulator.credentials.items():
        monkeypatch.setenv(f"PLIVO_{name.upper()}", value)


def build_emulator_account(emulator: Emulator, name: str) -> str:
    """Build the table of the account of a Plivo emulator."""
    return build_account(
        name=f'"{name}"',
        base_url=f'"{emulator.base_url}"',
        auth_id=f'"{emulator.credentials["auth_id"]}"',
        auth_token=build_print_command(emulator.credentials["auth_token"]),
    )


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
    path = write('[[account]]\nprovider = "plivo"\nhttp = { workers = 2 }')
    set_variables(monkeypatch, plivo)
    [found] = rec.find_accounts(path)  # the same account, so that it is listed once
    with found.connect() as provider:
        assert len(list(provider.list())) == 3
        assert provider.http.workers == 2


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


def build_python_command(code: str, timeout: float = 60) -> str:
    """Build a command that runs a program, as TOML."""
    return f'{{ command = [\'{sys.executable}\', \'-c\', """{code}"""], timeout = {timeout} }}'


def has_ended(process: int) -> bool:
    """Whether a process is gone, or is a zombie that its new parent has not collected."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.mark.parametrize("output", ["'x' * 65537", "'x' * 10**7", "'x\\\\n' * 10**7"])
def test_output_of_a_command_is_bounded(write: Write, output: str) -> None:
    began = time.monotonic()
    code = f"import sys, time; sys.stdout.write({output}); sys.stdout.flush(); time.sleep(60)"
    message = read_error(write(build_account(auth_token=build_python_command(code))))
    assert "printed more than 65536 bytes" in message
    assert time.monotonic() - began < 20


def test_output_of_64_kib_is_read(write: Write) -> None:
    code = f"print('x' * {MAX_OUTPUT - 1})"
    path = write(build_account(auth_token=build_python_command(code)))
    with rec.find_accounts(path)[0].connect() as provider:
        assert "x" * (MAX_OUTPUT - 1) in provider.transport.secrets._values


#: The beginning of a program: it starts a child that has the same output, and stores its id.
LEAVE_CHILD = (
    "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', "
    "'import time; time.sleep(60)']); open('child', 'w').write(str(child.pid)); "
)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("print('s3cr3t-t0ken')", None),
        ("sys.exit(3)", "exit code 3"),
        ("time.sleep(60)", "within 2 seconds"),
        ("sys.stdout.write('x' * 100_000)", "printed more than"),
    ],
)
def test_children_of_a_command_end_with_it(write: Write, end: str, expected: str | None) -> None:
    path = write(build_account(auth_token=build_python_command(LEAVE_CHILD + end, timeout=2)))
    began = time.monotonic()
    if expected is None:
        with rec.find_accounts(path)[0].connect() as provider:
            assert "s3cr3t-t0ken" in provider.transport.secrets._values
    else:
        assert expected in read_error(path)
    assert time.monotonic() - began < 10
    child = int(Path("child").read_text())
    while not has_ended(child):
        assert time.monotonic() - began < 10
        time.sleep(0.01)


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


# -- one resolution -------------------------------------------------------------------------------


@pytest.fixture
def other() -> Iterator[Emulator]:
    """A second Plivo account, with other credentials at another address."""
    with PlivoEmulator(recordings=2, seed=7) as emulator:
        yield emulator


def list_accounts_of(provider: rec.Provider) -> set[str]:
    with provider:
        return {each.account for each in provider.list()}


def test_connect_selects_a_configured_account(
    write: Write, plivo: Emulator, other: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(build_emulator_account(plivo, "sales"), Path("recordings.toml"))
    set_variables(monkeypatch, other)
    assert list_accounts_of(rec.connect("plivo", account="sales")) == {"sales"}
    assert list_accounts_of(rec.account("sales")) == {"sales"}
    assert list_accounts_of(rec.account("sales", provider="plivo")) == {"sales"}
    assert other.list_requests() == []
    seen = len(plivo.list_requests())
    assert list_accounts_of(rec.connect("plivo")) == {"default"}
    assert list_accounts_of(rec.connect("plivo", account="default")) == {"default"}
    assert list_accounts_of(rec.account("default")) == {"default"}
    assert len(plivo.list_requests()) == seen


def test_the_only_account_needs_no_name(write: Write, plivo: Emulator) -> None:
    write(build_emulator_account(plivo, "sales"), Path("recordings.toml"))
    with rec.connect("plivo") as provider:
        assert (provider.account, len(list(provider.list()))) == ("sales", 3)
    for several in (("sales", "support"), ("sales", "support", "third")):
        tables = "".join(build_emulator_account(plivo, name) for name in several)
        write(tables, Path("recordings.toml"))
        with pytest.raises(rec.ConfigurationError, match=r"several accounts: .*'sales'.*'support'"):
            rec.connect("plivo")


def test_an_unknown_account_raises_with_the_known_ones(
    write: Write, plivo: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(build_emulator_account(plivo, "sales"), Path("recordings.toml")).absolute()
    set_variables(monkeypatch, plivo)
    known = rf"'sales' of plivo \({path}\), 'default' of plivo \(environment\)"
    attempts: tuple[Callable[[], rec.Provider], ...] = (
        lambda: rec.connect("plivo", account="slaes"),
        lambda: rec.account("slaes"),
        lambda: rec.account("sales", provider="voipbin"),
    )
    for connect in attempts:
        with pytest.raises(rec.ConfigurationError, match=rf"No account '\w+'.*: {known}"):
            connect()
    assert plivo.list_requests() == []


def test_a_name_of_several_providers_needs_the_provider(write: Write) -> None:
    voipbin = '[[account]]\nprovider = "voipbin"\nname = "sales"\ntoken = { env = "X" }\n'
    path = write(build_account(**GOOD, name='"sales"') + voipbin)
    with pytest.raises(rec.ConfigurationError, match=r"2 accounts are named 'sales'.*provider too"):
        rec.account("sales", config=path)


def test_explicit_credentials_win_and_do_not_mix_with_the_file(
    write: Write, plivo: Emulator, other: Emulator
) -> None:
    write(build_emulator_account(plivo, "sales"), Path("recordings.toml"))
    given: dict[str, Any] = dict(other.credentials)
    with rec.connect("plivo", account="sales", base_url=other.base_url, **given) as provider:
        assert {each.account for each in provider.list()} == {"sales"}
    assert plivo.list_requests() == []
    with rec.connect("plivo", account="sales", **given) as provider:
        assert provider.transport.base_url == "https://api.plivo.com/v1"
    with pytest.raises(rec.ConfigurationError, match=r"plivo needs auth_token\. Pass it to"):
        rec.connect("plivo", account="sales", auth_id="MAXXXXXXXXXXXXXXXXXX")


def test_explicit_credentials_read_no_file(write: Write) -> None:
    write("[[account", Path("recordings.toml"))
    rec.connect("plivo", auth_id="MAXXXXXXXXXXXXXXXXXX", auth_token="x" * 40).close()
    with pytest.raises(rec.ConfigurationError, match="not valid TOML"):
        rec.connect("plivo")


def test_a_setting_that_is_not_a_credential_does_not_select_the_environment(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIAN_API_KEY", "key-of-the-environment")
    monkeypatch.setenv("OF_SALES", "key-of-sales")
    table = '[[account]]\nprovider = "audian"\nname = "sales"\napi_key = { env = "OF_SALES" }\n'
    write(table, Path("recordings.toml"))
    with rec.connect("audian", account="sales", auth_style="bearer") as provider:
        assert "key-of-sales" in provider.transport.secrets._values
        assert "key-of-the-environment" not in provider.transport.secrets._values
    with pytest.raises(rec.ConfigurationError, match="No account 'slaes'"):
        rec.connect("audian", account="slaes", auth_style="bearer")


def test_an_alternative_credential_of_the_environment_does_not_mix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VOIPBIN_ACCESSKEY", "k" * 20)
    rec.connect("voipbin", token="t" * 20).close()  # VoIPBin refuses both


def test_credentials_of_the_environment_do_not_go_to_a_url_of_the_file(
    write: Write, plivo: Emulator, other: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_variables(monkeypatch, other)
    table = f'[[account]]\nprovider = "plivo"\nname = "sales"\nbase_url = "{plivo.base_url}"\n'
    write(table, Path("recordings.toml"))
    message = "account 'sales' of plivo: it has a base_url and no credentials"
    attempts: tuple[Callable[[], rec.Provider], ...] = (
        lambda: rec.connect("plivo", account="sales"),
        lambda: rec.account("sales"),
        lambda: rec.find_accounts()[0].connect(),
    )
    for connect in attempts:
        with pytest.raises(rec.ConfigurationError, match=message):
            connect()
    assert list_accounts_of(rec.connect("plivo")) == {"default"}
    assert plivo.list_requests() == []


def test_credentials_of_the_file_do_not_go_to_a_url_of_the_environment(
    write: Write, other: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_variables(monkeypatch, other)
    monkeypatch.setenv("X", "x" * 20)
    write(build_account(**GOOD, name='"sales"'), Path("recordings.toml"))
    with rec.account("sales") as provider:
        assert provider.transport.base_url == "https://api.plivo.com/v1"


def test_file_and_environment_are_listed_together(
    write: Write, plivo: Emulator, other: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(build_emulator_account(plivo, "sales"), Path("recordings.toml"))
    set_variables(monkeypatch, other)
    monkeypatch.setenv("VOIPBIN_TOKEN", "x" * 20)
    found = rec.find_accounts()
    names = [(each.provider, each.name) for each in found]
    assert names == [("plivo", "sales"), ("plivo", "default"), ("voipbin", "default")]
    assert [each.place for each in found] == [str(Path("recordings.toml").absolute())] + [
        "environment"
    ] * 2


def test_two_different_default_accounts_are_kept_apart(
    write: Write, plivo: Emulator, other: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(build_emulator_account(plivo, "default"), Path("recordings.toml"))
    set_variables(monkeypatch, other)
    assert [each.name for each in rec.find_accounts()] == ["default", "environment"]
    with pytest.raises(rec.ConfigurationError, match=r"'default' \(.*'environment' \(environment"):
        rec.connect("plivo")
    with rec.connect("plivo", account="default") as mine, rec.account("environment") as theirs:
        assert (len(list(mine.list())), len(list(theirs.list()))) == (3, 2)
    set_variables(monkeypatch, plivo)
    # A command is not run to list the accounts, but to count the same one once.
    assert [each.name for each in rec.find_accounts()] == ["default", "environment"]
    assert find_names_of_same_accounts() == [("environment", "default")]
    token = f'"{plivo.credentials["auth_token"]}"'
    write(
        build_emulator_account(plivo, "default").rpartition("auth_token")[0]
        + f"auth_token = {token}\nallow_clear = true\n",
        Path("recordings.toml"),
    ).chmod(0o600)
    assert [each.name for each in rec.find_accounts()] == ["default"]  # the same account
    rec.connect("plivo").close()


# -- the same account under two names -------------------------------------------------------------


def test_same_credentials_are_counted_once_by_the_first_name(
    write: Write,
    plivo: Emulator,
    other: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    set_variables(monkeypatch, plivo)
    write(
        build_emulator_account(plivo, "sales") + build_emulator_account(other, "other"),
        Path("recordings.toml"),
    )
    for accounts in (None, rec.find_accounts()):
        caplog.clear()
        report = rec.report(by=("account",), accounts=accounts)
        assert {row["account"]: row["recordings"] for row in report.rows} == {
            "sales": 3,
            "other": 2,
        }
        assert [each.account for each in report.coverage] == ["sales", "other"]
        [line] = [each.getMessage() for each in caplog.records if "same" in each.getMessage()]
        assert line == (
            "account 'default' of plivo (environment) has the same credentials as account 'sales': "
            "it is listed and counted once, as 'sales'"
        )


def find_names_of_same_accounts(config: Path | None = None) -> list[tuple[str, str]]:
    same = find_same_accounts(rec.find_accounts(config))
    return [(each.name, earlier.name) for each, earlier in same.items()]


def test_accounts_are_compared_by_url_and_every_credential(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X", "token")
    monkeypatch.setenv("Y", "token")
    monkeypatch.setenv("Z", "other")
    first = build_account(auth_token='{ env = "X" }', name='"first"')

    def compare(**keys: str) -> bool:
        second = build_account(**{"auth_token": '{ env = "Y" }', "name": '"second"', **keys})
        return find_names_of_same_accounts(write(first + second)) == [("second", "first")]

    assert compare()
    assert compare(base_url='"https://api.plivo.com/v1/"')  # the vendor's own
    assert compare(auth_token=build_print_command("token"))
    assert not compare(auth_token='{ env = "Z" }')
    assert not compare(auth_token='{ env = "NOT_SET" }')
    assert not compare(auth_token=build_print_command("other"))
    assert not compare(auth_id='"MA-OF-ANOTHER"')
    assert not compare(base_url='"https://api.example"')


def test_accounts_without_readable_credentials_are_not_the_same(write: Write) -> None:
    table = build_account(auth_token='{ env = "NOT_SET" }', name='"first"')
    assert find_names_of_same_accounts(write(table + table.replace("first", "second"))) == []


def test_accounts_that_cannot_be_read_are_not_the_same(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = rec.Account("plivo", "lost", str(tmp_path / "lost.toml"))
    removed = rec.Account("removed_vendor")
    assert find_same_accounts([lost, lost, removed, removed]) == {}

    def fail(*_: object) -> None:
        raise rec.PluginError("the client cannot be imported")

    monkeypatch.setattr("recording_core.plugins.registry.load_object", fail)
    monkeypatch.setenv("PLIVO_AUTH_ID", "MA-OF-SUPPORT")
    monkeypatch.setenv("PLIVO_AUTH_TOKEN", "token")
    path = write(build_account(**GOOD, base_url='"https://api.example"'))
    assert [each.name for each in rec.find_accounts(path)] == ["default", "environment"]


def test_no_command_is_run_to_compare_what_differs_already(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X", "token")
    touch = f"{{ command = ['touch', '{tmp_path / 'ran'}'] }}"
    first = build_account(auth_token=touch, name='"first"')
    other = build_account(auth_token='{ env = "X" }', auth_id='"MA-OTHER"', name='"other"')
    path = write(first + first.replace("first", "second") + other)
    assert find_names_of_same_accounts(path) == [("second", "first")]  # the same command
    assert not (tmp_path / "ran").exists()


# -- permissions ----------------------------------------------------------------------------------

needs_owners = pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owner here")
DANGERS = {
    "a command": {"auth_token": '{ command = ["x"] }'},
    "the name of an environment variable": {"auth_token": '{ env = "X" }'},
    "a base_url": {"base_url": '"https://api.example"'},
    "verify_tls = false": {"http": "{ verify_tls = false }"},
}


@needs_owners
@pytest.mark.parametrize("place", ["here", "home", "named", "variable"])
@pytest.mark.parametrize("danger", DANGERS)
def test_file_that_others_may_write_is_refused(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, danger: str, place: str
) -> None:
    folder = {"home": tmp_path / "home/recordings", "here": tmp_path / "here"}
    path = folder.get(place, tmp_path) / "recordings.toml"
    write(build_account(**DANGERS[danger], name='"sales"'), path)
    if place == "variable":
        monkeypatch.setenv("RECORDINGS_CONFIG", str(path))
    config = path if place == "named" else None
    assert len(rec.find_accounts(config)) == 1
    for mode in (0o622, 0o602, 0o660):
        path.chmod(mode)
        with pytest.raises(rec.ConfigurationError) as caught:
            rec.find_accounts(config)
        assert f"account 'sales' of plivo has {danger}, and another user may" in str(caught.value)
        assert "chmod go-w" in str(caught.value)
        if place != "named":
            with pytest.raises(rec.ConfigurationError, match="another user may write"):
                rec.connect("plivo")


@needs_owners
def test_file_of_another_user_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(build_account(**GOOD))
    path.chmod(0o600)
    monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 4321)
    if path.stat().st_uid == 0:
        assert len(rec.find_accounts(path)) == 1  # the administrator may write every file
        os.chown(path, 1234, -1)
    with pytest.raises(rec.ConfigurationError, match="another user may write this file"):
        rec.find_accounts(path)


@needs_owners
def test_file_that_others_may_write_may_have_what_is_harmless(write: Write) -> None:
    path = write('[[account]]\nprovider = "plivo"\nname = "sales"\nhttp = { workers = 2 }\n')
    path.chmod(0o666)
    assert [each.name for each in rec.find_accounts(path)] == ["sales"]


@needs_owners
@pytest.mark.parametrize(("member", "is_refused"), [(None, False), ("another", True)])
def test_group_that_has_only_the_owner_may_write(
    write: Write, monkeypatch: pytest.MonkeyPatch, member: str | None, is_refused: bool
) -> None:
    """Many systems give each user such a group, and make new files writable by it."""
    import grp
    import pwd
    from types import SimpleNamespace

    path = write(build_account(**GOOD))
    path.chmod(0o664)
    owner = SimpleNamespace(pw_uid=1000, pw_gid=1000, pw_name="ann")
    group = SimpleNamespace(gr_gid=1000, gr_name="ann", gr_mem=[member] if member else [])
    monkeypatch.setattr(pwd, "getpwuid", lambda _: owner)
    monkeypatch.setattr(grp, "getgrgid", lambda _: group)
    if is_refused:
        with pytest.raises(rec.ConfigurationError, match="another user may write"):
            rec.find_accounts(path)
    else:
        assert len(rec.find_accounts(path)) == 1


@needs_owners
def test_clear_secret_that_others_may_read_is_warned_about_once(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(build_account(auth_token=f'"{SECRET}"', allow_clear="true", name='"sales"'))
    for mode, count in ((0o600, 0), (0o640, 1), (0o644, 1)):
        path.chmod(mode)
        for _ in range(2):
            rec.find_accounts(path)[0].connect().close()
        assert len(caplog.records) == count, oct(mode)
    [line] = [each.getMessage() for each in caplog.records]
    assert line == (
        f"{path}: account 'sales' of plivo has a secret in clear text, and other users may read "
        f"this file: remove their permission (chmod go= {path})"
    )
    assert SECRET not in line
    caplog.clear()
    write(build_account(**GOOD), path).chmod(0o644)
    rec.find_accounts(path)
    assert caplog.records == []
