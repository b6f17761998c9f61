"""Official client: VoIPBin's own MCP server works against the emulator, by cookie and by query.

If it does not, the emulator is wrong. It has tools for calls, conferences and the customer. It has
none for recordings, so that these are requested by its HTTP client.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import voipbin_mcp.server
from voipbin_mcp.client import VoIPbinAPIError, VoIPbinClient

import recording_core as rec
from recording_core.testing import ManualClock
from recording_voipbin.emulator import VoIPBinEmulator

pytestmark = pytest.mark.emulator("voipbin", recordings=3, credential="accesskey")


@pytest.fixture(params=["cookie", "query"])
def transport(
    request: pytest.FixtureRequest, emulator: VoIPBinEmulator, monkeypatch: pytest.MonkeyPatch
) -> str:
    """How the client sends the access key; `cookie` is its default."""
    transport: str = request.param
    monkeypatch.setenv("VOIPBIN_API_KEY", emulator.accesskey)
    monkeypatch.setenv("VOIPBIN_API_BASE_URL", emulator.base_url)
    monkeypatch.delenv("VOIPBIN_AUTH_TRANSPORT", raising=False)
    if transport == "query":
        monkeypatch.setenv("VOIPBIN_AUTH_TRANSPORT", transport)
    monkeypatch.setattr(voipbin_mcp.server, "_client", None)
    return transport


@pytest.fixture
def send(transport: str) -> Callable[..., Any]:
    """A function that sends one request by the official HTTP client, and returns its payload."""

    def send(method: str, path: str, **more: Any) -> Any:
        async def run() -> Any:
            client = VoIPbinClient()
            try:
                return await getattr(client, method)(path, **more)
            finally:
                await client.close()

        return asyncio.run(run())

    return send


def call_tool(name: str, **arguments: Any) -> Any:
    """Call a tool of the MCP server, as a program that speaks its protocol, and decode its text."""

    async def run() -> Any:
        try:
            return await voipbin_mcp.server.mcp.call_tool(name, arguments)
        finally:
            await voipbin_mcp.server.get_client().close()
            voipbin_mcp.server._client = None

    content = asyncio.run(run())
    blocks = content[0] if isinstance(content, tuple) else content
    return json.loads(blocks[0].text)


def test_the_key_is_sent_in_the_place_that_was_chosen(
    send: Callable[..., Any], transport: str, emulator: VoIPBinEmulator
) -> None:
    assert len(send("get", "/recordings")["result"]) == 3
    (request,) = emulator.list_requests()
    key = emulator.accesskey
    by_cookie, by_query = request.header("cookie"), request.arg("accesskey")
    expected = (f"accesskey={key}", None) if transport == "cookie" else (None, key)
    assert (by_cookie, by_query) == expected


def test_its_tools_read_calls_conferences_and_the_customer(
    transport: str, emulator: VoIPBinEmulator
) -> None:
    call, conference = emulator.sessions
    assert call_tool("get_call", call_id=call.id)["id"] == call.id
    assert call_tool("get_conference", conference_id=conference.id)["id"] == conference.id
    customer = call_tool("get_customer")
    assert customer["webhook_secret"] == emulator.webhooks["secret"]


def test_a_recording_that_the_client_starts_is_found_by_the_library(
    send: Callable[..., Any], emulator: VoIPBinEmulator, manual_clock: ManualClock
) -> None:
    """Without a format, the recording has none, and the names of its files have no extension."""
    call = emulator.sessions[0]
    row = send("post", f"/calls/{call.id}/recording_start", json={})
    with emulator.connect() as voipbin:
        manual_clock.advance(timedelta(seconds=30))
        session = voipbin.active(call)
        assert session is not None
        assert session.id == row["recording_id"]
        assert send("post", f"/calls/{call.id}/recording_stop")["id"] == call.id
        manual_clock.advance(timedelta(minutes=1))
        recording = voipbin.get(row["recording_id"])
        assert (recording.status, recording.format) == (rec.RecordingStatus.AVAILABLE, None)
        assert [file.name and file.name[-4:] for file in recording.files] == ["_in.", "out."]
    pages = send("get", "/storage_files", params={"page_size": 1})
    assert len(pages["result"]) == 1
    assert send("delete", f"/recordings/{recording.id}")["tm_delete"]


def test_its_errors_have_the_reason_and_the_request_id(
    send: Callable[..., Any], emulator: VoIPBinEmulator
) -> None:
    call = emulator.sessions[0]
    send("post", f"/calls/{call.id}/recording_start", json={"format": "wav"})
    for path, reason in (
        ("/recordings/x", "INVALID_ID"),
        (f"/recordings/{call.id}", "RECORDING_NOT_FOUND"),
        (f"/storage_files/{call.id}", "FILE_NOT_FOUND"),
    ):
        with pytest.raises(VoIPbinAPIError) as caught:
            send("get", path)
        assert caught.value.reason == reason
        assert str(caught.value.request_id).startswith("req_")
    with pytest.raises(VoIPbinAPIError) as caught:
        send("post", f"/calls/{call.id}/recording_start", json={"format": "wav"})
    assert (caught.value.status_code, caught.value.reason) == (500, "INTERNAL")


def test_a_customer_that_it_replaces_keeps_what_it_sends_back(send: Callable[..., Any]) -> None:
    before = send("get", "/customer")
    fields = ("name", "detail", "email", "phone_number", "address", "webhook_method")
    body = {name: before[name] for name in fields} | {"webhook_uri": "https://example.com/hook"}
    assert send("put", "/customer", json=body) == {"id": before["id"], **body}
