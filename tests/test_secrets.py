"""No output shows a secret, in a table of calls that fail in different ways.

Each call handles planted secrets: the account's credentials, a proxy's password, a webhook secret
and the signature of a media URL. What it raises, logs and writes is searched for them.
"""

from __future__ import annotations

import base64
import json
import logging
import pickle
import socket
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest
from attrs import define, evolve
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from requests.auth import HTTPBasicAuth

import recording_core as rec
from recording_core.cli.app import build_command_line
from recording_core.plugins.registry import load_object
from recording_core.redaction import MASK
from recording_core.testing import Emulator, Reply, build_recorder
from recording_core.testing.conformance.mutations import rewrite_payload

SIGNATURE = "51gn4tur3ofap1anted0bject0123456789abcdef"
PROXY = "pr0xy-p4ssw0rd-pl4nted"
HOOK = "wh-s3cret-pl4nted-0123456789"
FAST = rec.HttpSettings(retries=0, workers=1, total_timeout=0.4)


@define
class Case:
    """One emulated vendor with planted credentials, and a folder that a call may write to."""

    emulator: Emulator
    provider: rec.Provider
    folder: Path
    environment: pytest.MonkeyPatch
    #: the text that a call printed or wrote
    written: str = ""

    @property
    def name(self) -> str:
        return self.emulator.provider

    @property
    def secrets(self) -> dict[str, str]:
        settings = rec.providers()[self.name].settings
        found = {
            each.name: value
            for each in settings
            if each.secret and (value := self.emulator.credentials.get(each.name))
        }
        auth = self.provider.transport.auth
        if isinstance(auth, HTTPBasicAuth):  # as it is sent
            pair = f"{auth.username!s}:{auth.password!s}"
            found["basic"] = base64.b64encode(pair.encode()).decode()
        return found

    @property
    def all_secrets(self) -> str:
        """The credentials in one text, as a vendor may quote them."""
        return " ".join(self.secrets.values())

    @property
    def session(self) -> rec.RecordingSession:
        target = self.emulator.sessions[0]
        return rec.RecordingSession(self.name, "default", "an-id", target)

    def connect(self, base_url: str, **http: Any) -> rec.Provider:
        http = {"retries": 0, "workers": 1, "total_timeout": 3.0, **http}
        credentials: dict[str, Any] = dict(self.emulator.credentials)
        return rec.connect(
            self.name,
            base_url=base_url,
            http=rec.HttpSettings(**http),
            **credentials,
        )

    def add_faults(self, *replies: Reply) -> None:
        self.emulator.faults.extend(replies)

    def build_recording(self) -> rec.Recording:
        """Build a recording whose file has a signed URL."""
        id = "an-id-of-a-recording"
        url = f"{self.emulator.media_origin}/planted.mp3?X-Amz-Signature={SIGNATURE}"
        file = rec.MediaFile("mix", rec.FileRole.MIX, "mp3", url=url)
        raw = {"recording_url": url}
        status = rec.RecordingStatus.AVAILABLE
        return rec.Recording(self.name, "default", id, status=status, files=(file,), raw=raw)


def _list(case: Case) -> Any:
    return list(case.provider.list())


def _get(case: Case) -> Any:
    return case.provider.get("an-id", target=case.emulator.sessions[0])


def _start(case: Case) -> Any:
    return case.provider.start(case.emulator.sessions[0])


def _stop(case: Case) -> Any:
    return case.provider.stop(case.session)


#: Their requests are forms, which contain no object.
FORMS = ("twilio",)


def _start_with_secrets(case: Case) -> Any:
    extra = {
        "auth_token": case.all_secrets,
        "nested": {"api_key": HOOK},
        "note": case.all_secrets,
    }
    if case.emulator.provider in FORMS:
        del extra["nested"]
    return case.provider.start(case.emulator.sessions[0], extra=extra)


def _with_reply(
    request: Callable[[Case], Any], reply: Callable[[str], Reply], times: int = 1
) -> Callable[[Case], Any]:
    """Build a call to which the vendor replies with a body that quotes the credentials."""

    def call(case: Case) -> Any:
        case.add_faults(*[reply(case.all_secrets)] * times)
        return request(case)

    return call


def _build_json(status: int) -> Callable[[str], Reply]:
    def reply(quoted: str) -> Reply:
        echo = {
            "message": f"no: {quoted}",
            "error": quoted,
            "errors": [{"message": quoted}],
            quoted: quoted,
        }
        return Reply.json(echo, status, X_Request_Id=quoted, Retry_After="0")

    return reply


def _build_html(status: int) -> Callable[[str], Reply]:
    return lambda quoted: Reply(status, f"<html><b>{quoted}</b> token={quoted}".encode())


def _connect_to_closed_port(case: Case) -> Any:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return list(case.connect(f"http://127.0.0.1:{port}").list())


def _connect_without_tls(case: Case) -> Any:
    return list(case.connect(case.emulator.base_url.replace("http:", "https:")).list())


def _connect_to_unknown_host(case: Case) -> Any:
    return list(case.connect("https://nobody.invalid").list())


def _connect_by_proxy(case: Case) -> Any:
    case.environment.setenv("HTTPS_PROXY", f"http://user:{PROXY}@127.0.0.1:1")
    return list(case.connect("https://api.vendor.test").list())


def _download(*replies: Reply, **how: Any) -> Callable[[Case], Any]:
    def call(case: Case) -> Any:
        case.emulator.media_faults.extend(replies * 20)
        # Some APIs serve media themselves. They have no signature that they could quote.
        case.add_faults(*[evolve(each, body=each.body and b"<html>") for each in replies] * 20)
        return case.provider.download(case.build_recording(), case.folder, **how)

    return call


def _download_from(url: str) -> Callable[[Case], Any]:
    def call(case: Case) -> Any:
        recording = case.build_recording()
        file = evolve(recording.files[0], url=url)
        if type(case.provider)._download is not rec.Provider._download:
            # The API serves the media of this vendor: let it redirect to the URL.
            case.add_faults(*[Reply(307, headers={"Location": url})] * 9)
        return case.provider.download(evolve(recording, files=(file,)), case.folder)

    return call


def _download_into_file(case: Case) -> Any:
    (case.folder / "occupied").write_text("a file")
    return case.provider.download(case.build_recording(), case.folder / "occupied")


def _connect_with(**changed: Callable[[str], str]) -> Callable[[Case], Any]:
    """Build a call that connects with malformed settings which contain the credentials."""

    def call(case: Case) -> Any:
        given: dict[str, Any] = dict(case.emulator.credentials)
        for name, change in changed.items():
            if name == "secret":
                given |= {each: change(value) for each, value in case.secrets.items()}
            else:
                given[name] = change(case.all_secrets.replace(" ", ""))
        return rec.connect(case.name, **given)

    return call


def _read_accounts(table: Callable[[Case], str]) -> Callable[[Case], Any]:
    """Build a call that reads an unusable recordings.toml."""

    def call(case: Case) -> Any:
        file = case.folder / "recordings.toml"
        file.write_text(f'[[account]]\nprovider = "{case.name}"\n{table(case)}\n')
        return [each.connect() for each in rec.find_accounts(file)]

    return call


def _format_settings(case: Case, form: str) -> str:
    given = case.emulator.credentials.items()
    return "\n".join(f"{name} = {form.replace('VALUE', value)}" for name, value in given)


def _build_webhook(**headers: str) -> rec.WebhookRequest:
    body = json.dumps({"token": HOOK, "signature": SIGNATURE}).encode()
    return rec.WebhookRequest("POST", f"https://app.test/h?token={HOOK}", headers, body)


def _build_public_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def _build_receiver(case: Case) -> tuple[rec.Receiver, str]:
    if "key" in case.emulator.webhooks:
        pem = _build_public_key()
        return rec.receiver(case.name, key=pem), pem.splitlines()[2]
    return rec.receiver(case.name, secret=HOOK), HOOK


def _receive_forged(case: Case) -> Any:
    receiver, planted = _build_receiver(case)
    case.written = f"{receiver!r} {receiver}"
    assert planted not in case.written
    with pytest.raises(TypeError) as caught:
        pickle.dumps(receiver)
    case.written += _render_error(caught.value)
    return receiver.receive(_build_webhook())


def _receive_with_bad_key(case: Case) -> Any:
    word = "key" if "key" in case.emulator.webhooks else "secret"
    bad = f"-----BEGIN PUBLIC KEY-----\n{HOOK}\n" if word == "key" else f"\n {HOOK}\x00"
    return rec.receive(case.name, _build_webhook(), **{word: bad})


def _run_command(*words: str) -> Callable[[Case], Any]:
    """Build a call of the command line, to which the vendor replies with the credentials."""

    def call(case: Case) -> Any:
        info = rec.providers()[case.name]
        case.environment.setenv(f"{case.name.upper()}_BASE_URL", case.emulator.base_url)
        for each in info.settings:
            case.environment.setenv(each.env, case.emulator.credentials.get(each.name, ""))
        # More than the retries of several pages at once.
        case.add_faults(*[_build_json(400)(case.all_secrets)] * 99)
        target = case.emulator.sessions[0]
        given = [
            {"PROVIDER": case.name, "KIND": target.kind.value, "ID": target.id}.get(each, each)
            for each in words
        ]
        result = CliRunner().invoke(build_command_line(), given, prog_name="recordings")
        assert result.exit_code in (1, 3), result.output
        case.written = f"{result.stdout} {result.stderr} {result.exception!r}"
        raise rec.RecordingError(result.stderr)

    return call


def _build_report(case: Case) -> Any:
    case.add_faults(*[_build_json(401)(case.all_secrets)] * 9)
    report = rec.report(accounts=[case.provider], by=("provider",))
    assert not report.complete
    page = case.folder / "page.html"
    report.to_html(page)
    case.written = f"{report!r} {report.to_json()} {report.to_csv()} {page.read_text()}"
    raise rec.RecordingError("; ".join(each for each in report.missing[0].coverage.errors))


def _record_cassette(case: Case) -> Any:
    path = case.folder / "cassette.yaml"
    case.add_faults(_build_json(400)(case.all_secrets))
    try:
        with build_recorder(record_mode="all").use_cassette(str(path)):
            return _list(case)
    finally:
        case.written = path.read_text()


def _list_coverage(case: Case) -> Any:
    case.add_faults(*[_build_json(500)(case.all_secrets)] * 9)
    listing = case.provider.list()
    try:
        return list(listing)
    finally:
        case.written = f"{listing!r} {listing.coverage!r} {rec.dumps(listing.coverage)}"


def _wait(case: Case) -> Any:
    case.add_faults(*[_build_html(503)(case.all_secrets)] * 500)
    return case.provider.wait(case.session, timeout=timedelta(seconds=0.2))


def _pickle_provider(case: Case) -> Any:
    return pickle.dumps(case.provider)


def _load_invalid(case: Case) -> Any:
    text = rec.dumps(case.build_recording()).replace('"an-id-of-a-recording"', '["an-id"]')
    return rec.loads(text, rec.Recording)


_CUT = Reply(abort=True)
_MP3 = {"Content-Type": "audio/mpeg"}
_ECHO = f"<Error><Token>{SIGNATURE}</Token></Error>".encode()
_SIGNED = f"https://h.test/a?X-Amz-Signature={SIGNATURE}"

CALLS: Mapping[str, Callable[[Case], Any]] = {
    "list: HTTP 401 in JSON": _with_reply(_list, _build_json(401)),
    "list: HTTP 429": _with_reply(_list, _build_json(429)),
    "list: HTTP 500 in HTML": _with_reply(_list, _build_html(500)),
    "list: truncated JSON": _with_reply(_list, lambda s: Reply(200, f'{{"a": "{s}'.encode())),
    "list: a text with 200": _with_reply(_list, lambda s: Reply.json(s)),
    "list: another object": _with_reply(_list, lambda s: Reply.json({"objects": s, "data": s})),
    "list: too large": _with_reply(_list, lambda s: Reply(200, s.encode() * 500_000)),
    "list: a broken compression": _with_reply(
        _list, lambda s: Reply(200, s.encode(), {"Content-Encoding": "gzip"})
    ),
    "get: HTTP 403 in HTML": _with_reply(_get, _build_html(403)),
    "get: HTTP 404": _with_reply(_get, _build_json(404)),
    "get: a redirect to another host": _with_reply(
        _get, lambda s: Reply(302, headers={"Location": f"https://h.test/?token={quote(s)}"})
    ),
    "get: too many headers": _with_reply(
        _get, lambda s: Reply(200, b"{}", {f"X-{n}": s for n in range(200)})
    ),
    "get: cut": _with_reply(_get, lambda s: _CUT),
    "get: silence": _with_reply(_get, lambda s: Reply(stall="headers")),
    "start: HTTP 500": _with_reply(_start_with_secrets, _build_json(500)),
    "start: cut": _with_reply(_start_with_secrets, lambda s: _CUT),
    "start: a redirect": _with_reply(
        _start, lambda s: Reply(307, headers={"Location": f"//h.test/?token={quote(s)}"})
    ),
    "start: HTTP 409": _with_reply(_start, _build_json(409)),
    "stop: HTTP 400": _with_reply(_stop, _build_json(400), 3),
    "wait: repeated faults": _wait,
    "no connection": _connect_to_closed_port,
    "no TLS": _connect_without_tls,
    "no such name": _connect_to_unknown_host,
    "a proxy that is not there": _connect_by_proxy,
    "download: HTTP 403": _download(Reply(403, _ECHO)),
    "download: HTTP 500": _download(Reply(500, _ECHO)),
    "download: a page": _download(
        Reply(200, b"<html>" + _ECHO * 40, {"Content-Type": "text/html"})
    ),
    "download: nothing": _download(Reply(200, b"", _MP3)),
    "download: cut": _download(Reply(200, bytes(5000), _MP3, cut_after=10)),
    "download: silence": _download(Reply(stall="headers"), timeout=timedelta(seconds=0.2)),
    "download: a private address": _download_from(_SIGNED.replace("h.test", "10.0.0.1")),
    "download: user info": _download_from(_SIGNED.replace("h.test", f"u:{SIGNATURE}@h.test")),
    "download: not a URL": _download_from(_SIGNED.replace("h.test", "h .test")),
    "download: no such host": _download_from(_SIGNED.replace("h.test", "nobody.invalid")),
    "download: into a file": _download_into_file,
    "connect: a newline in it": _connect_with(secret=lambda value: f"{value}\nX: y"),
    "connect: not ASCII": _connect_with(secret=lambda value: f"{value}é"),
    "connect: an unknown setting": _connect_with(tokne=lambda quoted: quoted),
    "connect: user info in the URL": _connect_with(
        base_url=lambda quoted: f"https://u:{quoted}@h.test"
    ),
    "connect: a query in the URL": _connect_with(
        base_url=lambda quoted: f"https://h.test/?key={quoted}"
    ),
    "connect: plain http": _connect_with(base_url=lambda quoted: f"http://h.test/{quote(quoted)}"),
    "recordings.toml: in clear": _read_accounts(lambda g: _format_settings(g, '"VALUE"')),
    "recordings.toml: broken": _read_accounts(lambda g: _format_settings(g, '"VALUE')),
    "recordings.toml: as a list": _read_accounts(lambda g: _format_settings(g, '["VALUE"]')),
    "recordings.toml: a command that fails": _read_accounts(
        lambda g: _format_settings(g, '{ command = ["false", "VALUE"] }')
    ),
    "recordings.toml: a newline in it": _read_accounts(
        lambda g: "allow_clear = true\n" + _format_settings(g, '"VALUE\\n"')
    ),
    "receive: a forged webhook": _receive_forged,
    "receive: a malformed secret": _receive_with_bad_key,
    "recordings --json list": _run_command("list", "PROVIDER", "--json"),
    "recordings --json show": _run_command(
        "show", "PROVIDER", "an-id", "--target", "call:C1", "--json"
    ),
    "recordings --json start": _run_command("start", "PROVIDER", "KIND", "ID", "--json"),
    "report": _build_report,
    "a cassette": _record_cassette,
    "a coverage": _list_coverage,
    "pickle of a provider": _pickle_provider,
    "loads of an invalid document": _load_invalid,
}


def _list_encodings(secret: str) -> set[str]:
    """Return a secret in the forms in which headers, URLs and JSON may contain it."""
    return {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}


def _render_error(error: BaseException) -> str:
    """Render an error in the ways in which logs, debuggers and other processes see it."""
    texts = [str(error), repr(error), repr(error.args), repr(vars(error))]
    texts += traceback.format_exception(error)
    if isinstance(error, rec.RecordingError):
        again = pickle.dumps(error)
        texts += [again.decode("latin-1"), repr(vars(pickle.loads(again)))]
    for value in vars(error).values():
        if attrs.has(type(value)):
            texts.append(repr(attrs.asdict(value)))
    below = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(texts) + (_render_error(below) if below is not None else "")


class _LogCollector(logging.Handler):
    """Collect what any handler of the root logger could write."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = logging.Formatter("%(name)s %(message)s").format(record)
        self.lines.append(f"{line} {record.args!r}")


@pytest.fixture
def logged() -> Iterator[list[str]]:
    handler, root = _LogCollector(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)


#: Every vendor, and the one that also accepts a credential as a cookie.
VENDORS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **{name: (name, {}) for name in rec.providers()},
    "voipbin by cookie": ("voipbin", {"credential": "accesskey"}),
}


@pytest.fixture(
    params=[*rec.providers(), pytest.param("voipbin by cookie", marks=pytest.mark.long)]
)
def vendor(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    name, how = VENDORS[request.param]
    kind: type[Emulator] = load_object(rec.providers()[name], "emulator")
    with kind(recordings=3, **how) as emulator:
        yield emulator


@pytest.fixture
def case(vendor: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    before = set(threading.enumerate())
    with vendor.connect(http=FAST) as provider:
        yield Case(vendor, provider, tmp_path, monkeypatch)
    # Let a listing's requests ahead end, before the next test counts connections.
    for thread in set(threading.enumerate()) - before:
        if not thread.daemon:
            thread.join(5.0)


def test_table_contains_at_least_thirty_calls() -> None:
    assert len(CALLS) >= 30


@pytest.mark.parametrize("what", CALLS)
def test_failing_call_shows_no_secret(case: Case, logged: list[str], what: str) -> None:
    """X1, X2, X3."""
    with pytest.raises((rec.RecordingError, TypeError)) as caught:
        CALLS[what](case)
    output = "\n".join([_render_error(caught.value), case.written, *logged])
    output += "\n".join(path.name for path in case.folder.rglob("*"))
    assert len(output) > 100
    planted = {**case.secrets, "signature": SIGNATURE, "proxy": PROXY, "hook": HOOK}
    for name, secret in planted.items():
        for form in _list_encodings(secret):
            if form in output:
                at = output.index(form)
                around = output[max(0, at - 120) : at] + f"<{name}>" + output[at + len(form) :][:60]
                raise AssertionError(f"the output contains {name}: ...{around}...")


def test_signed_url_is_in_data_but_in_no_repr(case: Case) -> None:
    recording = case.build_recording()
    session = rec.RecordingSession(
        case.name, "default", "S", case.emulator.sessions[0], recordings=(recording,)
    )
    for shown in (
        repr(recording),
        str(recording),
        repr(recording.files),
        repr(session),
        f"{session}",
    ):
        assert SIGNATURE not in shown
    assert SIGNATURE in repr(attrs.asdict(recording))
    assert SIGNATURE in pickle.dumps(recording).decode("latin-1")
    for value in (recording, session):
        assert SIGNATURE in rec.dumps(value)
        assert rec.loads(rec.dumps(value), type(value)) == value


def test_credential_that_a_vendor_echoes_is_in_no_value(case: Case) -> None:
    """X1: unlike a signed URL, it is in no value and in no serialised form of one."""
    note = f"with {case.all_secrets}"
    case.emulator.alter = lambda request, payload: rewrite_payload(payload, {}, {"zz_note": note})
    recordings = list(case.provider.list())
    first = recordings[0]
    for value in (*recordings, case.provider.get(first.id, target=first.target)):
        assert MASK in value.raw["zz_note"]
        forms = [repr(attrs.asdict(value)), rec.dumps(value), pickle.dumps(value).decode("latin")]
        for secret in case.secrets.values():
            for each in forms:
                assert secret not in each


def test_log_collector_sees_the_logs_of_libraries(case: Case, logged: list[str]) -> None:
    """The table would prove nothing if urllib3 logged to another logger."""
    _list(case)
    assert any(line.startswith("urllib3.connectionpool") for line in logged)
