"""What holds for every installed vendor alike? Complete lists, and no credential to a stranger."""

from __future__ import annotations

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
#: A stranger's origin differs in one thing from the API's, each time in another.
ORIGINS = {
    "other port": "http://127.0.0.1:{port}",
    "other host": "http://localhost:{port}",
    "other scheme": "https://127.0.0.1:{port}",
}
STATUSES = (301, 302, 303, 307, 308)


@frozen
class Stranger:
    """A server that nobody was asked to trust, and what reached it."""

    port: int
    seen: list[Request]


@pytest.fixture(scope="module")
def stranger() -> Iterator[Stranger]:
    seen: list[Request] = []

    def answer(request: Request) -> Reply:
        seen.append(request)
        return Reply.json({})

    with LoopbackServer(answer) as server:
        yield Stranger(server.port, seen)


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


def test_a_sweep_of_a_hundred_days_yields_each_of_the_past_once(
    emulator: Emulator, provider: rec.Provider
) -> None:
    listing = provider.list(since=emulator.clock.now() - timedelta(days=100))
    found = [recording.id for recording in listing]
    assert sorted(found) == sorted(emulator.listed())
    assert len(found) == 45
    assert listing.coverage.complete


def swept(provider: rec.Provider, target: rec.CommunicationSession) -> list[rec.Recording]:
    return list(provider.list(target=target))


def verbs(provider: rec.Provider, emulator: Emulator, directory: Path) -> Iterator[Any]:
    """Every operation that the vendor can be told, for every kind: (operation, call)."""
    recording_id = emulator.listed()[0]
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
            rec.Operation.LIST: partial(swept, provider, target),
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
def test_no_operation_follows_the_apis_redirect_to_a_stranger(
    status: int,
    origin: str,
    stranger: Stranger,
    emulator: Emulator,
    provider: rec.Provider,
    tmp_path: Path,
) -> None:
    """T1, T2: neither a credential nor a verb leaves the API's origin."""
    away = ORIGINS[origin].format(port=stranger.port)
    for operation, call in verbs(provider, emulator, tmp_path):
        stranger.seen.clear()
        emulator.faults.clear()
        emulator.faults.extend([Reply(status, headers={"Location": f"{away}/x?y=1"})] * 20)
        with pytest.raises(rec.RecordingError):
            call()
        what = f"{provider.name} {operation} {status} to {origin}"
        assert_bare(stranger, emulator, what)
        # A download's API may hand out its media by a redirect: that is followed, and bare.
        if operation is not rec.Operation.DOWNLOAD:
            assert stranger.seen == [], f"{what} went to the stranger"
    emulator.faults.clear()


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("origin", ORIGINS)
def test_media_that_is_redirected_takes_no_credential_along(
    status: int,
    origin: str,
    stranger: Stranger,
    emulator: Emulator,
    provider: rec.Provider,
    tmp_path: Path,
) -> None:
    """T1, S2: whoever the media's host sends us to, we come with empty hands."""
    away = ORIGINS[origin].format(port=stranger.port)
    recording = next(each for each in provider.list() if each.status == "available" and each.files)
    stranger.seen.clear()
    emulator.media_faults.append(Reply(status, headers={"Location": f"{away}/media?y=1"}))
    with pytest.raises(rec.RecordingError):
        provider.download(recording, tmp_path)
    assert_bare(stranger, emulator, f"{provider.name} media {status} to {origin}")
    if origin != "other scheme":
        assert stranger.seen, "the redirect was meant to be followed"
    assert list(tmp_path.iterdir()) == []


def assert_bare(stranger: Stranger, emulator: Emulator, what: str) -> None:
    """Nothing that reached the stranger signs anybody in, and nothing but reading reached it."""
    for request in stranger.seen:
        assert request.method == "GET", f"{what}: {request.method} was replayed"
        for name in ("authorization", "x-auth-token", "cookie", "x-api-key", "accesskey"):
            assert request.header(name) is None, f"{what}: {name} reached the stranger"
        told = repr((request.path, request.query, dict(request.headers), request.body))
        for name, value in emulator.credentials.items():
            assert value not in told, f"{what}: {name} reached the stranger"


def test_our_own_credential_that_a_vendor_echoes_is_masked(
    emulator: Emulator, provider: rec.Provider
) -> None:
    """X1: wherever a vendor writes it, and spelled as URLs spell it."""
    secret = max(emulator.credentials.values(), key=len)

    def echo(request: Request, payload: Any) -> Any:
        return {**payload, "note": f"signed in with {secret}"} if type(payload) is dict else payload

    emulator.alter = echo
    try:
        recording = provider.get(emulator.listed()[0])
    finally:
        emulator.alter = None
    assert secret not in rec.dumps(recording)
    text = f"{quote(secret, safe='')} and {secret}"
    assert secret not in provider.transport.secrets.redact(text)
