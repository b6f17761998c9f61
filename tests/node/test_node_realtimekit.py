"""Official client: Cloudflare's client for TypeScript works against RealtimeKit's emulator.

If it does not, the emulator is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from recording_core.testing import ManualClock
from recording_realtimekit.emulator import RealtimeKitEmulator

pytestmark = [pytest.mark.node, pytest.mark.emulator("realtimekit", recordings=45)]

RECORDINGS, WEBHOOKS = "realtimeKit.recordings", "realtimeKit.webhooks"
UNKNOWN = "00000000-0000-4000-8000-000000000000"

CallMethods = Callable[..., list[Any]]


@pytest.fixture
def cloudflare(call_client: Callable[..., list[Any]], emulator: RealtimeKitEmulator) -> CallMethods:
    """Return a function that calls methods of the client with the emulator's token."""

    def call(*steps: Any, token: str | None = None) -> list[Any]:
        options = {
            "apiToken": token or emulator.credentials["api_token"],
            "baseURL": emulator.base_url,
            "maxRetries": 0,
        }
        return call_client("cloudflare", emulator.origin, options, *steps)

    return call


@pytest.fixture
def account(emulator: RealtimeKitEmulator) -> dict[str, Any]:
    return {"account_id": emulator.credentials["account_id"]}


@pytest.fixture
def app(emulator: RealtimeKitEmulator, account: dict[str, Any]) -> dict[str, Any]:
    """The parameters of methods whose first argument is not the app."""
    return {**account, "app_id": emulator.credentials["app_id"]}


def test_a_meeting_is_recorded_paused_resumed_and_stopped(
    cloudflare: CallMethods,
    emulator: RealtimeKitEmulator,
    app: dict[str, Any],
    account: dict[str, Any],
    manual_clock: ManualClock,
) -> None:
    meeting_id = emulator.sessions[0].id
    body = {**account, "meeting_id": meeting_id, "max_seconds": 600}
    [started] = cloudflare([f"{RECORDINGS}.startRecordings", [app["app_id"], body]])
    id = started["data"]["id"]
    assert (started["success"], started["data"]["status"]) == (True, "INVOKED")
    for action, status in (("pause", "PAUSED"), ("resume", "RECORDING"), ("stop", "UPLOADING")):
        manual_clock.advance(timedelta(seconds=10))
        active, done = cloudflare(
            [f"{RECORDINGS}.getActiveRecordings", [meeting_id, app]],
            [f"{RECORDINGS}.pauseResumeStopRecording", [id, {**app, "action": action}]],
        )
        assert active["data"]["id"] == id
        assert done["data"]["status"] == status
    manual_clock.advance(timedelta(seconds=5))
    [found] = cloudflare([f"{RECORDINGS}.getOneRecording", [id, app]])
    assert (found["data"]["status"], found["data"]["recording_duration"]) == ("UPLOADED", 18)
    assert found["data"]["stop_reason"]["reason"] == "API_CALL"


def test_tracks_are_recorded(
    cloudflare: CallMethods,
    emulator: RealtimeKitEmulator,
    app: dict[str, Any],
    account: dict[str, Any],
    manual_clock: ManualClock,
) -> None:
    body = {
        **account,
        "meeting_id": emulator.sessions[0].id,
        "layers": {"default": {"media_kind": "audio", "file_name_prefix": "desk"}},
        "user_ids": ["alice"],
    }
    [started] = cloudflare([f"{RECORDINGS}.startTrackRecording", [app["app_id"], body]])
    id = started["data"]["recording"]["id"]
    manual_clock.advance(timedelta(minutes=1))
    cloudflare([f"{RECORDINGS}.pauseResumeStopRecording", [id, {**app, "action": "stop"}]])
    manual_clock.advance(timedelta(seconds=5))
    [found] = cloudflare([f"{RECORDINGS}.getOneRecording", [id, app]])
    [layer] = found["data"]["download_url"]
    assert all(name.startswith("desk_alice_") for name in layer["download_urls"])


def test_pages_have_every_recording_with_the_types_of_the_schema(
    cloudflare: CallMethods,
    emulator: RealtimeKitEmulator,
    app: dict[str, Any],
    account: dict[str, Any],
) -> None:
    sort = {"sort_by": "invokedTime", "sort_order": "DESC", "per_page": 20}
    pages = cloudflare(
        *(
            [f"{RECORDINGS}.getRecordings", [app["app_id"], {**account, **sort, "page_no": number}]]
            for number in (1, 2, 3)
        )
    )
    rows = [row for page in pages for row in page["data"]]
    assert sorted(row["id"] for row in rows) == sorted(emulator.list_ids())
    assert {page["paging"]["total_count"] for page in pages} == {45}
    types: dict[str, set[type]] = {}
    for row in rows:
        for name, value in row.items():
            types.setdefault(name, set()).add(type(value))
    optional = type(None)
    for name in ("download_url", "audio_download_url", "download_url_expiry"):
        assert types[name] == {str, optional}, name
    assert types["file_size"] == {int, optional}
    assert types["recording_duration"] == {int}
    assert types["started_time"] == types["stopped_time"] == types["output_file_name"] == {str}


def test_every_filter_selects_rows(
    cloudflare: CallMethods,
    emulator: RealtimeKitEmulator,
    app: dict[str, Any],
    account: dict[str, Any],
    manual_clock: ManualClock,
) -> None:
    since, until = (manual_clock.now() - timedelta(days=days) for days in (60, 30))
    filters: list[dict[str, Any]] = [
        {"expired": True},
        {"meeting_id": emulator.sessions[0].id},
        {"search": "weekly"},
        {"start_time": since.isoformat(), "end_time": until.isoformat()},
        {"status": ["ERRORED", "RECORDING"]},
    ]
    method, id = f"{RECORDINGS}.getRecordings", app["app_id"]
    steps = [[method, [id, {**account, "per_page": 100, **each}]] for each in filters]
    for chosen, page in zip(filters, cloudflare(*steps), strict=True):
        assert 0 < len(page["data"]) < 45, chosen


def test_wrong_tokens_ids_and_values_are_errors(
    cloudflare: CallMethods,
    emulator: RealtimeKitEmulator,
    app: dict[str, Any],
    account: dict[str, Any],
) -> None:
    start = {**account, "meeting_id": emulator.sessions[0].id}
    [refused] = cloudflare(
        [f"{RECORDINGS}.getRecordings", [app["app_id"], account]], token="x" * 40
    )
    assert refused["error"]["name"] == "AuthenticationError"
    errors = cloudflare(
        [f"{RECORDINGS}.getOneRecording", [UNKNOWN, app]],
        [f"{RECORDINGS}.getActiveRecordings", [UNKNOWN, app]],
        [f"{RECORDINGS}.pauseResumeStopRecording", [UNKNOWN, {**app, "action": "stop"}]],
        [f"{RECORDINGS}.startRecordings", [app["app_id"], {**start, "max_seconds": 59}]],
        [f"{RECORDINGS}.getRecordings", [app["app_id"], {"account_id": "0" * 32}]],
    )
    assert [each["error"]["name"] for each in errors] == [
        *["NotFoundError"] * 3,
        "UnprocessableEntityError",
        "PermissionDeniedError",
    ]


def test_webhooks_are_created_changed_and_deleted(
    cloudflare: CallMethods, app: dict[str, Any], account: dict[str, Any]
) -> None:
    hook = {
        **account,
        "name": "mine",
        "url": "https://hooks.example.com/rtk",
        "events": ["recording.statusUpdate"],
    }
    [created] = cloudflare([f"{WEBHOOKS}.createWebhook", [app["app_id"], hook]])
    id = created["data"]["id"]
    edited, listed, deleted, again = cloudflare(
        [f"{WEBHOOKS}.editWebhook", [id, {**app, "enabled": False}]],
        [f"{WEBHOOKS}.getWebhooks", [app["app_id"], account]],
        [f"{WEBHOOKS}.deleteWebhook", [id, app]],
        [f"{WEBHOOKS}.getWebhookByID", [id, app]],
    )
    assert edited["data"]["enabled"] is False
    assert [each["id"] for each in listed["data"]] == [id]
    assert deleted["success"] is True
    assert again["error"]["name"] == "NotFoundError"
