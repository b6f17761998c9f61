"""Prism: our client's requests to Twilio fit a description of that API.

Prism serves `twilio.yaml` as a mock, and refuses each request that does not fit it.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

import recording_core as rec

pytestmark = pytest.mark.node

HEX = "0123456789abcdef0123456789abcdef"
CALL, CONFERENCE = rec.call(f"CA{HEX}"), rec.conference(f"CF{HEX}")
SINCE = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """Start Prism, and return its origin."""
    # Imported here: the folder is not a package.
    from pathlib import Path

    folder = Path(__file__).parent
    program = folder.parents[1] / ".venv/node/node_modules/.bin/prism"
    if shutil.which("node") is None or not program.exists():
        pytest.skip("Prism is not installed: run make test-all, with npm")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(program), "mock", "--errors", "-p", str(port), str(folder / "twilio.yaml")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def exchanges() -> list[rec.Exchange]:
    return []


@pytest.fixture
def twilio(origin: str, exchanges: list[rec.Exchange]) -> Iterator[rec.Provider]:
    with rec.connect(
        "twilio",
        account_sid=f"AC{HEX}",
        auth_token="t" * 32,
        pause_behavior="skip",
        base_url=f"{origin}/2010-04-01",
        http=rec.HttpSettings(retries=0, on_exchange=exchanges.append),
    ) as provider:
        yield provider


def test_every_request_fits_the_description(
    twilio: rec.Provider, exchanges: list[rec.Exchange]
) -> None:
    session = twilio.start(
        CALL,
        channels=2,
        participant="both",
        callback_url="https://app.example.com/hook",
        extra={"Trim": "trim-silence", "RecordingStatusCallbackMethod": "GET"},
    )
    assert session.status is rec.RecordingStatus.RECORDING
    assert twilio.start(CALL).id == session.id
    current = rec.RecordingSession("twilio", "default", None, CALL)
    of_conference = rec.RecordingSession("twilio", "default", session.id, CONFERENCE)
    for each in (session, current, of_conference):
        assert twilio.pause(each).status is rec.RecordingStatus.PAUSED
        twilio.resume(each)
    twilio.stop(session)
    for target in (CALL, CONFERENCE):
        assert twilio.active(target) is not None
        (found,) = twilio.list(target=target, since=SINCE, until=SINCE + timedelta(days=60))
        assert found.status is rec.RecordingStatus.RECORDING
    assert len(list(twilio.list())) == 2
    recording = twilio.get(session.id or "")
    assert recording.status is rec.RecordingStatus.RECORDING
    twilio.delete(recording)
    assert {each.status for each in exchanges} == {200, 201, 204}
    paths = {each.url_template.partition("{id}")[2] for each in exchanges}
    assert len(paths) == 9, "each path of the description is requested"


@pytest.mark.parametrize("extra", [{"RecordingChannels": "three"}, {"Trim": "yes"}])
def test_a_request_that_does_not_fit_is_refused(
    twilio: rec.Provider, extra: dict[str, str]
) -> None:
    with pytest.raises(rec.OutcomeUnknown) as caught:
        twilio.start(CALL, extra=extra)
    assert caught.value.status == 422
