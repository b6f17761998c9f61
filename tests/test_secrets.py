"""Does a secret show anywhere? Planted in calls that fail in every way, and looked for everywhere.

One table of calls. Whatever each raises, returns, logs or writes is searched for what was planted:
the account's credentials, the proxy's password, a callback's secret, and a media URL's signature.
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

import recording_core as rec
from recording_core.cli.app import command_line
from recording_core.plugins.registry import load_object
from recording_core.redaction import MASK
from recording_core.testing import Emulator, Reply, build_recorder
from recording_core.testing.conformance.mutations import every

SIGNATURE = "51gn4tur3ofap1anted0bject0123456789abcdef"
PROXY = "pr0xy-p4ssw0rd-pl4nted"
HOOK = "wh-s3cret-pl4nted-0123456789"
FAST = rec.HttpSettings(retries=0, workers=1, total_timeout=0.4)


@define
class Ground:
    """One emulated vendor with planted credentials, and where a call may write."""

    emulator: Emulator
    provider: rec.Provider
    folder: Path
    environment: pytest.MonkeyPatch
    #: what a call printed or wrote
    written: str = ""

    @property
    def name(self) -> str:
        return self.emulator.provider

    @property
    def secrets(self) -> dict[str, str]:
        settings = rec.providers()[self.name].settings
        return {
            each.name: value
            for each in settings
            if each.secret and (value := self.emulator.credentials.get(each.name))
        }

    @property
    def said(self) -> str:
        """All of them, as somebody may quote them."""
        return " ".join(self.secrets.values())

    @property
    def session(self) -> rec.RecordingSession:
        target = self.emulator.sessions[0]
        return rec.RecordingSession(self.name, "default", "an-id", target)

    def connected(self, base_url: str, **http: Any) -> rec.Provider:
        http = {"retries": 0, "workers": 1, "total_timeout": 3.0, **http}
        credentials: dict[str, Any] = dict(self.emulator.credentials)
        return rec.connect(
            self.name,
            base_url=base_url,
            http=rec.HttpSettings(**http),
            **credentials,
        )

    def answer(self, *replies: Reply) -> None:
        self.emulator.faults.extend(replies)

    def some(self) -> rec.Recording:
        """A recording whose file lies behind a signed URL."""
        id = "an-id-of-a-recording"
        url = f"{self.emulator.media_origin}/planted.mp3?X-Amz-Signature={SIGNATURE}"
        file = rec.MediaFile("mix", rec.FileRole.MIX, "mp3", url=url)
        raw = {"recording_url": url}
        status = rec.RecordingStatus.AVAILABLE
        return rec.Recording(self.name, "default", id, status=status, files=(file,), raw=raw)


def _list(ground: Ground) -> Any:
    return list(ground.provider.list())


def _get(ground: Ground) -> Any:
    return ground.provider.get("an-id", target=ground.emulator.sessions[0])


def _start(ground: Ground) -> Any:
    return ground.provider.start(ground.emulator.sessions[0])


def _stop(ground: Ground) -> Any:
    return ground.provider.stop(ground.session)


def _start_with_secrets(ground: Ground) -> Any:
    extra = {"auth_token": ground.said, "nested": {"api_key": HOOK}, "note": ground.said}
    return ground.provider.start(ground.emulator.sessions[0], extra=extra)


def _answered(
    ask: Callable[[Ground], Any], reply: Callable[[str], Reply], times: int = 1
) -> Callable[[Ground], Any]:
    """The call, where the vendor's answer quotes the credentials."""

    def call(ground: Ground) -> Any:
        ground.answer(*[reply(ground.said)] * times)
        return ask(ground)

    return call


def _json(status: int) -> Callable[[str], Reply]:
    def reply(said: str) -> Reply:
        echo = {"message": f"no: {said}", "error": said, "errors": [{"message": said}], said: said}
        return Reply.json(echo, status, X_Request_Id=said, Retry_After="0")

    return reply


def _text(status: int) -> Callable[[str], Reply]:
    return lambda said: Reply(status, f"<html><b>{said}</b> token={said}".encode())


def _refused(ground: Ground) -> Any:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return list(ground.connected(f"http://127.0.0.1:{port}").list())


def _no_tls(ground: Ground) -> Any:
    return list(ground.connected(ground.emulator.base_url.replace("http:", "https:")).list())


def _no_name(ground: Ground) -> Any:
    return list(ground.connected("https://nobody.invalid").list())


def _proxy(ground: Ground) -> Any:
    ground.environment.setenv("HTTPS_PROXY", f"http://user:{PROXY}@127.0.0.1:1")
    return list(ground.connected("https://api.vendor.test").list())


def _media(*replies: Reply, **how: Any) -> Callable[[Ground], Any]:
    def call(ground: Ground) -> Any:
        ground.emulator.media_faults.extend(replies * 20)
        # The API gives some of it out; and it knows no signature that it could quote.
        ground.answer(*[evolve(each, body=each.body and b"<html>") for each in replies] * 20)
        return ground.provider.download(ground.some(), ground.folder, **how)

    return call


def _elsewhere(url: str) -> Callable[[Ground], Any]:
    def call(ground: Ground) -> Any:
        some = ground.some()
        file = evolve(some.files[0], url=url)
        if type(ground.provider)._download is not rec.Provider._download:
            # Its media has one address, which its API gives; there a redirect leads away.
            ground.answer(*[Reply(307, headers={"Location": url})] * 9)
        return ground.provider.download(evolve(some, files=(file,)), ground.folder)

    return call


def _no_disk(ground: Ground) -> Any:
    (ground.folder / "taken").write_text("a file")
    return ground.provider.download(ground.some(), ground.folder / "taken")


def _connect(**changed: Callable[[str], str]) -> Callable[[Ground], Any]:
    """Connecting with settings that are malformed, and hold the credentials."""

    def call(ground: Ground) -> Any:
        given: dict[str, Any] = dict(ground.emulator.credentials)
        for name, change in changed.items():
            if name == "secret":
                given |= {each: change(value) for each, value in ground.secrets.items()}
            else:
                given[name] = change(ground.said.replace(" ", ""))
        return rec.connect(ground.name, **given)

    return call


def _configured(table: Callable[[Ground], str]) -> Callable[[Ground], Any]:
    """A recordings.toml by which no account can be connected to."""

    def call(ground: Ground) -> Any:
        file = ground.folder / "recordings.toml"
        file.write_text(f'[[account]]\nprovider = "{ground.name}"\n{table(ground)}\n')
        return [each.connect() for each in rec.find_accounts(file)]

    return call


def _settings(ground: Ground, form: str) -> str:
    given = ground.emulator.credentials.items()
    return "\n".join(f"{name} = {form.replace('VALUE', value)}" for name, value in given)


def _hook(**headers: str) -> rec.WebhookRequest:
    body = json.dumps({"token": HOOK, "signature": SIGNATURE}).encode()
    return rec.WebhookRequest("POST", f"https://app.test/h?token={HOOK}", headers, body)


def _key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def _receiver(ground: Ground) -> tuple[rec.Receiver, str]:
    if "key" in ground.emulator.webhooks:
        pem = _key()
        return rec.receiver(ground.name, key=pem), pem.splitlines()[2]
    return rec.receiver(ground.name, secret=HOOK), HOOK


def _forged(ground: Ground) -> Any:
    receiver, planted = _receiver(ground)
    ground.written = f"{receiver!r} {receiver}"
    assert planted not in ground.written
    with pytest.raises(TypeError) as refused:
        pickle.dumps(receiver)
    ground.written += _everything_of(refused.value)
    return receiver.receive(_hook())


def _bad_key(ground: Ground) -> Any:
    word = "key" if "key" in ground.emulator.webhooks else "secret"
    bad = f"-----BEGIN PUBLIC KEY-----\n{HOOK}\n" if word == "key" else f"\n {HOOK}\x00"
    return rec.receive(ground.name, _hook(), **{word: bad})


def _command(*words: str) -> Callable[[Ground], Any]:
    """A call of the command, whose vendor quotes the credentials."""

    def call(ground: Ground) -> Any:
        info = rec.providers()[ground.name]
        ground.environment.setenv(f"{ground.name.upper()}_BASE_URL", ground.emulator.base_url)
        for each in info.settings:
            ground.environment.setenv(each.env, ground.emulator.credentials.get(each.name, ""))
        ground.answer(*[_json(400)(ground.said)] * 9)
        target = ground.emulator.sessions[0]
        given = [
            {"PROVIDER": ground.name, "KIND": target.kind.value, "ID": target.id}.get(each, each)
            for each in words
        ]
        result = CliRunner().invoke(command_line(), given, prog_name="recordings")
        assert result.exit_code in (1, 3), result.output
        ground.written = f"{result.stdout} {result.stderr} {result.exception!r}"
        raise rec.RecordingError(result.stderr)

    return call


def _report(ground: Ground) -> Any:
    ground.answer(*[_json(401)(ground.said)] * 9)
    report = rec.report(accounts=[ground.provider], by=("provider",))
    assert not report.complete
    page = ground.folder / "page.html"
    report.to_html(page)
    ground.written = f"{report!r} {report.to_json()} {report.to_csv()} {page.read_text()}"
    raise rec.RecordingError("; ".join(each for each in report.missing[0].coverage.errors))


def _cassette(ground: Ground) -> Any:
    path = ground.folder / "cassette.yaml"
    ground.answer(_json(400)(ground.said))
    try:
        with build_recorder(record_mode="all").use_cassette(str(path)):
            return _list(ground)
    finally:
        ground.written = path.read_text()


def _coverage(ground: Ground) -> Any:
    ground.answer(*[_json(500)(ground.said)] * 9)
    listing = ground.provider.list()
    try:
        return list(listing)
    finally:
        ground.written = f"{listing!r} {listing.coverage!r} {rec.dumps(listing.coverage)}"


def _wait(ground: Ground) -> Any:
    ground.answer(*[_text(503)(ground.said)] * 500)
    return ground.provider.wait(ground.session, timeout=timedelta(seconds=0.2))


def _pickled(ground: Ground) -> Any:
    return pickle.dumps(ground.provider)


def _read_again(ground: Ground) -> Any:
    text = rec.dumps(ground.some()).replace('"an-id-of-a-recording"', '["an-id"]')
    return rec.loads(text, rec.Recording)


_CUT = Reply(abort=True)
_MP3 = {"Content-Type": "audio/mpeg"}
_ECHO = f"<Error><Token>{SIGNATURE}</Token></Error>".encode()
_SIGNED = f"https://h.test/a?X-Amz-Signature={SIGNATURE}"

CALLS: Mapping[str, Callable[[Ground], Any]] = {
    "list: HTTP 401 in JSON": _answered(_list, _json(401)),
    "list: HTTP 429": _answered(_list, _json(429)),
    "list: HTTP 500 in HTML": _answered(_list, _text(500)),
    "list: JSON that breaks off": _answered(_list, lambda s: Reply(200, f'{{"a": "{s}'.encode())),
    "list: a text with 200": _answered(_list, lambda s: Reply.json(s)),
    "list: another object": _answered(_list, lambda s: Reply.json({"objects": s, "data": s})),
    "list: too large": _answered(_list, lambda s: Reply(200, s.encode() * 500_000)),
    "list: a broken compression": _answered(
        _list, lambda s: Reply(200, s.encode(), {"Content-Encoding": "gzip"})
    ),
    "get: HTTP 403 in HTML": _answered(_get, _text(403)),
    "get: HTTP 404": _answered(_get, _json(404)),
    "get: a redirect to elsewhere": _answered(
        _get, lambda s: Reply(302, headers={"Location": f"https://h.test/?token={quote(s)}"})
    ),
    "get: headers beyond measure": _answered(
        _get, lambda s: Reply(200, b"{}", {f"X-{n}": s for n in range(200)})
    ),
    "get: cut": _answered(_get, lambda s: _CUT),
    "get: silence": _answered(_get, lambda s: Reply(stall="headers")),
    "start: HTTP 500": _answered(_start_with_secrets, _json(500)),
    "start: cut": _answered(_start_with_secrets, lambda s: _CUT),
    "start: a redirect": _answered(
        _start, lambda s: Reply(307, headers={"Location": f"//h.test/?token={quote(s)}"})
    ),
    "start: HTTP 409": _answered(_start, _json(409)),
    "stop: HTTP 400": _answered(_stop, _json(400), 3),
    "wait: an hour of faults": _wait,
    "no connection": _refused,
    "no TLS": _no_tls,
    "no such name": _no_name,
    "a proxy that is not there": _proxy,
    "download: HTTP 403": _media(Reply(403, _ECHO)),
    "download: HTTP 500": _media(Reply(500, _ECHO)),
    "download: a page": _media(Reply(200, b"<html>" + _ECHO * 40, {"Content-Type": "text/html"})),
    "download: nothing": _media(Reply(200, b"", _MP3)),
    "download: cut": _media(Reply(200, bytes(5000), _MP3, cut_after=10)),
    "download: silence": _media(Reply(stall="headers"), timeout=timedelta(seconds=0.2)),
    "download: a private address": _elsewhere(_SIGNED.replace("h.test", "10.0.0.1")),
    "download: user info": _elsewhere(_SIGNED.replace("h.test", f"u:{SIGNATURE}@h.test")),
    "download: no URL": _elsewhere(_SIGNED.replace("h.test", "h .test")),
    "download: no such host": _elsewhere(_SIGNED.replace("h.test", "nobody.invalid")),
    "download: to where a file is": _no_disk,
    "connect: a newline in it": _connect(secret=lambda value: f"{value}\nX: y"),
    "connect: not ASCII": _connect(secret=lambda value: f"{value}é"),
    "connect: an unknown setting": _connect(tokne=lambda said: said),
    "connect: user info in the URL": _connect(base_url=lambda said: f"https://u:{said}@h.test"),
    "connect: a query in the URL": _connect(base_url=lambda said: f"https://h.test/?key={said}"),
    "connect: plain http": _connect(base_url=lambda said: f"http://h.test/{quote(said)}"),
    "recordings.toml: in clear": _configured(lambda g: _settings(g, '"VALUE"')),
    "recordings.toml: broken": _configured(lambda g: _settings(g, '"VALUE')),
    "recordings.toml: as a list": _configured(lambda g: _settings(g, '["VALUE"]')),
    "recordings.toml: a command that fails": _configured(
        lambda g: _settings(g, '{ command = ["false", "VALUE"] }')
    ),
    "recordings.toml: a newline in it": _configured(
        lambda g: "allow_clear = true\n" + _settings(g, '"VALUE\\n"')
    ),
    "receive: a forged callback": _forged,
    "receive: a malformed secret": _bad_key,
    "recordings --json list": _command("list", "PROVIDER", "--json"),
    "recordings --json show": _command("show", "PROVIDER", "an-id", "--of", "call:C1", "--json"),
    "recordings --json start": _command("start", "PROVIDER", "KIND", "ID", "--json"),
    "report": _report,
    "a cassette": _cassette,
    "a coverage": _coverage,
    "pickle of a provider": _pickled,
    "loads of what is none": _read_again,
}


def _forms(secret: str) -> set[str]:
    """As headers, URLs, JSON and pickles write it."""
    return {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}


def _everything_of(error: BaseException) -> str:
    """What a log, a ticket, a debugger's first look and another process would have of it."""
    texts = [str(error), repr(error), repr(error.args), repr(vars(error))]
    texts += traceback.format_exception(error)
    if isinstance(error, rec.RecordingError):
        again = pickle.dumps(error)
        texts += [again.decode("latin-1"), repr(vars(pickle.loads(again)))]
    for value in vars(error).values():
        if attrs.has(type(value)):
            texts.append(repr(attrs.asdict(value)))
    below = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(texts) + (_everything_of(below) if below is not None else "")


class _Everything(logging.Handler):
    """What any handler of the root logger would write."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = logging.Formatter("%(name)s %(message)s").format(record)
        self.lines.append(f"{line} {record.args!r}")


@pytest.fixture
def logged() -> Iterator[list[str]]:
    handler, root = _Everything(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)


#: Every vendor, and the one that can be signed in to with a query, which every error's URL has.
VENDORS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **{name: (name, {}) for name in rec.providers()},
    "voipbin by query": ("voipbin", {"signing": "accesskey"}),
}


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    name, how = VENDORS[request.param]
    kind: type[Emulator] = load_object(rec.providers()[name], "emulator")
    with kind(recordings=3, **how) as emulator:
        yield emulator


@pytest.fixture
def ground(vendor: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    before = set(threading.enumerate())
    with vendor.connect(http=FAST) as provider:
        yield Ground(vendor, provider, tmp_path, monkeypatch)
    # What a listing had asked for ahead ends by itself, before the next test counts connections.
    for thread in set(threading.enumerate()) - before:
        if not thread.daemon:
            thread.join(5.0)


def test_thirty_calls_fail_in_different_ways() -> None:
    assert len(CALLS) >= 30


@pytest.mark.parametrize("what", CALLS)
def test_no_secret_shows_when_a_call_fails(ground: Ground, logged: list[str], what: str) -> None:
    """X1, X2, X3."""
    with pytest.raises((rec.RecordingError, TypeError)) as caught:
        CALLS[what](ground)
    shown = "\n".join([_everything_of(caught.value), ground.written, *logged])
    shown += "\n".join(path.name for path in ground.folder.rglob("*"))
    assert len(shown) > 100
    planted = {**ground.secrets, "signature": SIGNATURE, "proxy": PROXY, "hook": HOOK}
    for name, secret in planted.items():
        for form in _forms(secret):
            if form in shown:
                at = shown.index(form)
                around = shown[max(0, at - 120) : at] + f"<{name}>" + shown[at + len(form) :][:60]
                raise AssertionError(f"{name} shows: ...{around}...")


def test_a_signed_url_is_its_recordings_data_and_no_repr_shows_it(ground: Ground) -> None:
    some = ground.some()
    session = rec.RecordingSession(
        ground.name, "default", "S", ground.emulator.sessions[0], recordings=(some,)
    )
    for shown in (repr(some), str(some), repr(some.files), repr(session), f"{session}"):
        assert SIGNATURE not in shown
    assert SIGNATURE in repr(attrs.asdict(some))
    assert SIGNATURE in pickle.dumps(some).decode("latin-1")
    for value in (some, session):
        assert SIGNATURE in rec.dumps(value)
        assert rec.loads(rec.dumps(value), type(value)) == value


def test_a_credential_that_a_vendor_echoes_is_no_data(ground: Ground) -> None:
    """X1: unlike a signed URL it is in no value, however that is carried on."""
    said = f"with {ground.said}"
    ground.emulator.alter = lambda request, payload: every(payload, {}, {"zz_note": said})
    some = list(ground.provider.list())
    for value in (*some, ground.provider.get(some[0].id, target=some[0].target)):
        assert MASK in value.raw["zz_note"]
        carried = [repr(attrs.asdict(value)), rec.dumps(value), pickle.dumps(value).decode("latin")]
        for secret in ground.secrets.values():
            for each in carried:
                assert secret not in each


def test_the_log_of_every_library_is_looked_at(ground: Ground, logged: list[str]) -> None:
    """The table would prove nothing if urllib3 logged elsewhere."""
    _list(ground)
    assert any(line.startswith("urllib3.connectionpool") for line in logged)
