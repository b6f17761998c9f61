"""Every installed vendor: complete lists, and no credential to another origin."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from attrs import frozen

import recording_core as rec
from recording_core.plugins.registry import load_object
from recording_core.testing import Emulator, LoopbackServer, Reply, Request

VENDORS = sorted(rec.providers())
#: Foreign origins, each of which differs from the API's in one part.
ORIGINS = {
    "other port": "http://127.0.0.1:{port}",
    "other host": "http://localhost:{port}",
    "other scheme": "https://127.0.0.1:{port}",
}
STATUSES = (301, 302, 303, 307, 308)


@frozen
class ForeignServer:
    """A server at a foreign origin, and the requests that reached it."""

    port: int
    requests: list[Request]


@pytest.fixture(scope="module")
def foreign_server() -> Iterator[ForeignServer]:
    requests: list[Request] = []

    def answer(request: Request) -> Reply:
        requests.append(request)
        return Reply.json({})

    with LoopbackServer(answer) as server:
        yield ForeignServer(server.port, requests)


@pytest.fixture(scope="module", params=VENDORS)
def emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    info = rec.providers()[request.param]
    with load_object(info, "emulator")(recordings=45) as emulator:
        yield emulator


@pytest.fixture
def provider(emulator: Emulator) -> Iterator[rec.Provider]:
    emulator.faults.clear()
    emulator.media_faults.clear()
    with emulator.connect(http=rec.HttpSettings(retries=0)) as provider:
        yield provider


def test_connect_of_the_package_has_the_settings_as_keywords(emulator: Emulator) -> None:
    info = rec.providers()[emulator.provider]
    connect = importlib.import_module(f"recording_{info.name}").connect
    keywords = [*(each.name for each in info.settings), "account", "base_url", "http"]
    assert list(inspect.signature(connect).parameters) == keywords
    http = rec.HttpSettings(retries=0)
    given = {**emulator.credentials, "base_url": emulator.base_url, "http": http}
    with connect(**given, account="emea") as provider:
        assert type(provider) is load_object(info, "client")
        assert (provider.account, provider.http) == ("emea", http)
        assert len(list(provider.list())) >= 45


def test_a_shell_completes_verbs_and_no_internals(provider: rec.Provider) -> None:
    names = {name for name in dir(provider) if not name.startswith("_")}
    verbs = set(rec.Operation) | {"record", "wait", "latest", "confirm", "can", "close"}
    assert verbs | {"account", "info", "name"} <= names
    assert not names & {"transport", "media", "http", "clock", "root", "start_parameters"}


def test_missing_settings_are_all_named(emulator: Emulator, clean_environment: None) -> None:
    info = rec.providers()[emulator.provider]
    with pytest.raises(rec.ConfigurationError) as caught:
        rec.connect(info.name)
    for each in info.settings:
        assert each.default is not None or (
            each.name in str(caught.value) and each.env in str(caught.value)
        )


def test_listing_of_a_hundred_days_yields_each_recording_once(
    emulator: Emulator, provider: rec.Provider
) -> None:
    listing = provider.list(since=emulator.clock.now() - timedelta(days=100))
    found = [recording.id for recording in listing]
    assert sorted(found) == sorted(emulator.list_ids())
    assert len(found) == 45
    assert listing.coverage.complete


def list_target(provider: rec.Provider, target: rec.CommunicationSession) -> list[rec.Recording]:
    return list(provider.list(target=target))


def build_calls(provider: rec.Provider, emulator: Emulator, directory: Path) -> Iterator[Any]:
    """Yield (operation, call) for every operation that the vendor supports, for every kind."""
    recording_id = emulator.list_ids()[0]
    for target in emulator.sessions:
        session = rec.RecordingSession(
            provider.name,
            provider.account,
            recording_id,
            target,
            status=rec.RecordingStatus.RECORDING,
        )
        calls: dict[rec.Operation, Callable[[], object]] = {
            rec.Operation.START: partial(provider.start, target),
            rec.Operation.PAUSE: partial(provider.pause, session),
            rec.Operation.RESUME: partial(provider.resume, session),
            rec.Operation.STOP: partial(provider.stop, session),
            rec.Operation.ACTIVE: partial(provider.active, target),
            rec.Operation.LIST: partial(list_target, provider, target),
            rec.Operation.GET: partial(provider.get, recording_id, target=target),
            rec.Operation.DOWNLOAD: partial(
                provider.download, recording_id, directory, target=target
            ),
            rec.Operation.DELETE: partial(provider.delete, recording_id, target=target),
        }
        for operation, call in calls.items():
            if provider.can(operation, target.kind):
                yield operation, call


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("origin", ORIGINS)
def test_no_operation_follows_an_api_redirect_to_another_origin(
    status: int,
    origin: str,
    foreign_server: ForeignServer,
    emulator: Emulator,
    provider: rec.Provider,
    tmp_path: Path,
) -> None:
    """T1, T2: neither credentials nor verbs are sent to another origin."""
    away = ORIGINS[origin].format(port=foreign_server.port)
    for operation, call in build_calls(provider, emulator, tmp_path):
        foreign_server.requests.clear()
        emulator.faults.clear()
        emulator.faults.extend([Reply(status, headers={"Location": f"{away}/x?y=1"})] * 20)
        with pytest.raises(rec.RecordingError):
            call()
        what = f"{provider.name} {operation} {status} to {origin}"
        check_no_credentials(foreign_server, emulator, what)
        # An API may redirect to its media; a download follows that, without credentials.
        if operation is not rec.Operation.DOWNLOAD:
            assert foreign_server.requests == [], f"{what}: the redirect was followed"
    emulator.faults.clear()


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("origin", ORIGINS)
def test_redirected_media_request_carries_no_credentials(
    status: int,
    origin: str,
    foreign_server: ForeignServer,
    emulator: Emulator,
    provider: rec.Provider,
    tmp_path: Path,
) -> None:
    """T1, S2: a redirect by the media host is followed without credentials."""
    away = ORIGINS[origin].format(port=foreign_server.port)
    recording = next(each for each in provider.list() if each.status == "available" and each.files)
    foreign_server.requests.clear()
    emulator.media_faults.append(Reply(status, headers={"Location": f"{away}/media?y=1"}))
    with pytest.raises(rec.RecordingError):
        provider.download(recording, tmp_path)
    check_no_credentials(foreign_server, emulator, f"{provider.name} media {status} to {origin}")
    if origin != "other scheme":
        assert foreign_server.requests, "the redirect was not followed"
    assert list(tmp_path.iterdir()) == []


def check_no_credentials(foreign_server: ForeignServer, emulator: Emulator, what: str) -> None:
    """Check that only GET requests without credentials reached the foreign server."""
    for request in foreign_server.requests:
        assert request.method == "GET", f"{what}: {request.method} was sent"
        for name in ("authorization", "x-auth-token", "cookie", "x-api-key", "accesskey"):
            assert request.header(name) is None, f"{what}: it received {name}"
        text = repr((request.path, request.query, dict(request.headers), request.body))
        for name, value in emulator.credentials.items():
            assert value not in text, f"{what}: it received {name}"


def test_own_credential_that_a_vendor_echoes_is_masked(
    emulator: Emulator, provider: rec.Provider
) -> None:
    """X1: at any place of a payload, and in the encoding of URLs."""
    settings = provider.info.settings
    secrets = [emulator.credentials.get(each.name, "") for each in settings if each.secret]
    secret = max(secrets, key=len)

    def echo(request: Request, payload: Any) -> Any:
        return (
            {**payload, "note": f"authenticated with {secret}"}
            if type(payload) is dict
            else payload
        )

    emulator.alter = echo
    try:
        recording = provider.get(emulator.list_ids()[0])
    finally:
        emulator.alter = None
    assert secret not in rec.dumps(recording)
    text = f"{quote(secret, safe='')} and {secret}"
    assert secret not in provider.transport.secrets.redact(text)
