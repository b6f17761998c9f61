"""The emulated VoIPBin behaves as the pages and the source document, over raw HTTP.

https://docs.voipbin.net, https://api.voipbin.net/openapi.json, github voipbin/monorepo
"""

from __future__ import annotations

import html
import io
import json
import re
import wave
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from attrs import define, evolve

from recording_core import CommunicationSession, SessionKind
from recording_core.testing import ManualClock
from recording_voipbin.emulator import VoIPBinEmulator
from recording_voipbin.emulator.responses import TimeFormat

CALL, CONFERENCE = SessionKind.CALL, SessionKind.CONFERENCE
NIL = "00000000-0000-0000-0000-000000000000"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
EMPTY = "tmp/da39a3ee5e6b4b0d3255bfef95601890afd80709.zip"
DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)


@define
class Api:
    """An HTTP client that sends the token, and the emulator that it sends requests to."""

    emulator: VoIPBinEmulator
    http: requests.Session
    clock: ManualClock

    def __call__(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request below /v1.0 with the token in its header, and follow no redirect."""
        headers = {"Authorization": f"Bearer {self.emulator.token}", **more.pop("headers", {})}
        return self.send_bare(method, path, headers=headers, **more)

    def send_bare(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request without a credential."""
        url = f"{self.emulator.base_url}/{path}"
        return self.http.request(method, url, allow_redirects=False, **more)

    def read_json(self, path: str, **query: Any) -> Any:
        """Return the payload of a response, which must be a success."""
        reply = self("GET", path, params=query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def read_row(self, id: str) -> dict[str, Any]:
        row: dict[str, Any] = self.read_json(f"recordings/{id}")
        return row

    def send_verb(self, target: CommunicationSession, verb: str, **body: Any) -> requests.Response:
        json = body if verb == "start" else None
        return self("POST", f"{target.kind}s/{target.id}/recording_{verb}", json=json)

    def find_live(self, kind: SessionKind) -> CommunicationSession:
        return next(each for each in self.emulator.sessions if each.kind is kind)

    def start_recording(self, kind: SessionKind, **body: Any) -> str:
        """Start a recording of the live session, pass its first second, and return its id."""
        payload = self.send_verb(self.find_live(kind), "start", **body).json()
        self.clock.advance(SECOND)
        id: str = payload["recording_id"]
        assert id != NIL
        return id

    def record(self, kind: SessionKind, seconds: float = 10, **body: Any) -> str:
        """Record the live session, stop it, and return the id of the recording."""
        id = self.start_recording(kind, **body)
        self.clock.advance(timedelta(seconds=seconds))
        assert self.send_verb(self.find_live(kind), "stop").status_code == 200
        self.clock.advance(SECOND)
        return id

    def read_pages(self, path: str = "recordings", **query: Any) -> list[list[dict[str, Any]]]:
        """Return the pages, including the empty one at the end; thirty at most."""
        pages: list[list[dict[str, Any]]] = []
        while len(pages) < 30:
            payload = self.read_json(path, **query)
            pages.append(payload["result"])
            if not payload["result"]:
                break
            query["page_token"] = payload["next_page_token"]
        return pages

    def list_ids(self, **query: Any) -> list[list[str]]:
        return [[row["id"] for row in page] for page in self.read_pages(**query)]

    def read_files(self, recording_id: str) -> list[dict[str, Any]]:
        """Return the rows of its stored files, newest first."""
        rows = (row for page in self.read_pages("storage_files") for row in page)
        return [row for row in rows if row["reference_id"] == recording_id]

    def read_signed_url(self, id: str) -> str:
        reply = self("GET", f"recordingfiles/{id}")
        assert reply.status_code == 307, reply.text
        return reply.headers["Location"]

    def download_archive(self, id: str) -> zipfile.ZipFile:
        reply = requests.get(self.read_signed_url(id))
        assert (reply.status_code, reply.headers["Content-Type"]) == (200, "application/zip")
        return zipfile.ZipFile(io.BytesIO(reply.content))

    def add_recordings(self, *ages: timedelta, **more: Any) -> list[str]:
        """Add recordings that were created so long ago, and return their ids."""
        return [self.emulator.add(created=self.clock.now() - age, **more) for age in ages]


def read_error(reply: requests.Response) -> tuple[int, str, str]:
    """Return the HTTP status, the status and the reason of an error."""
    assert set(reply.json()) == {"error"}
    error = reply.json()["error"]
    assert set(error) - {"details"} == {"status", "reason", "message", "request_id"}
    assert error["request_id"] == reply.headers["X-Request-Id"]
    return reply.status_code, error["status"], error["reason"]


INTERNAL = (500, "INTERNAL", "INTERNAL")
FORBIDDEN = (403, "PERMISSION_DENIED", "PERMISSION_DENIED")
NO_CREDENTIAL = (401, "UNAUTHENTICATED", "AUTHENTICATION_REQUIRED")
WRONG_CREDENTIAL = (401, "UNAUTHENTICATED", "INVALID_CREDENTIALS")

pytestmark = pytest.mark.emulator("voipbin")


@pytest.fixture
def api(emulator: VoIPBinEmulator, manual_clock: ManualClock) -> Iterator[Api]:
    """An account without past recordings."""
    with requests.Session() as http:
        http.trust_env = False
        yield Api(emulator, http, manual_clock)


KINDS = pytest.mark.parametrize("kind", [CALL, CONFERENCE])
TIME_FORMATS = pytest.mark.parametrize("time_format", get_args(TimeFormat))


class TestAuthentication:
    @pytest.mark.parametrize("credential", ["token", "accesskey"])
    def test_the_credentials_are_a_token_or_an_access_key(self, credential: Any) -> None:
        emulator = VoIPBinEmulator(credential=credential)
        assert emulator.credentials == {credential: getattr(emulator, credential)}
        assert re.fullmatch(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+", emulator.token)
        assert re.fullmatch(r"vb_\w{32}", emulator.accesskey)

    def test_a_token_is_accepted_in_the_header_the_query_or_a_cookie(self, api: Api) -> None:
        token = api.emulator.token
        for place in (
            {"headers": {"Authorization": f"Bearer {token}"}},
            {"params": {"token": token}},
            {"headers": {"Cookie": f"other=1; token={token}"}},
        ):
            assert api.send_bare("GET", "recordings", **place).status_code == 200

    def test_an_access_key_is_accepted_in_the_query_or_a_cookie(self, api: Api) -> None:
        key = api.emulator.accesskey
        for place in (
            {"params": {"accesskey": key}},
            {"headers": {"Cookie": f"accesskey={key}"}},
        ):
            assert api.send_bare("GET", "recordings", **place).status_code == 200

    def test_an_access_key_as_a_bearer_token_is_rejected(self, api: Api) -> None:
        headers = {"Authorization": f"Bearer {api.emulator.accesskey}"}
        assert read_error(api.send_bare("GET", "recordings", headers=headers)) == WRONG_CREDENTIAL

    @pytest.mark.parametrize("header", ["", "bearer x.y.z", "Basic eDp5"])
    def test_another_scheme_is_the_same_as_no_credential(self, api: Api, header: str) -> None:
        headers = {"Authorization": header} if header else {}
        assert read_error(api.send_bare("GET", "recordings", headers=headers)) == NO_CREDENTIAL

    @pytest.mark.parametrize(
        "place",
        [
            {"headers": {"Authorization": "Bearer nonsense"}},
            {"params": {"token": "a.b.c"}},
            {"params": {"accesskey": "vb_nothing"}},
            {"headers": {"Cookie": "accesskey=vb_nothing"}},
        ],
    )
    def test_a_wrong_credential_is_rejected(self, api: Api, place: dict[str, Any]) -> None:
        assert read_error(api.send_bare("GET", "recordings", **place)) == WRONG_CREDENTIAL

    def test_a_cookie_takes_precedence_over_the_query_and_that_over_the_header(
        self, api: Api
    ) -> None:
        valid = {"Authorization": f"Bearer {api.emulator.token}"}
        stale = {**valid, "Cookie": "token=stale"}
        query = {"token": api.emulator.token}
        assert (
            read_error(api.send_bare("GET", "recordings", headers=stale, params=query))
            == WRONG_CREDENTIAL
        )
        query = {"token": "stale"}
        assert (
            read_error(api.send_bare("GET", "recordings", headers=valid, params=query))
            == WRONG_CREDENTIAL
        )

    def test_the_cookie_of_an_access_key_precedes_the_query(self, api: Api) -> None:
        key, stale = api.emulator.accesskey, "vb_stale"
        for cookie, query, is_valid in ((key, stale, True), (stale, key, False)):
            headers = {"Cookie": f"accesskey={cookie}"}
            reply = api.send_bare("GET", "recordings", headers=headers, params={"accesskey": query})
            assert (reply.status_code == 200) is is_valid

    def test_a_stale_token_makes_a_valid_access_key_useless(self, api: Api) -> None:
        key = {"accesskey": api.emulator.accesskey}
        for stale in ({"Cookie": "token=stale"}, {"Authorization": "Bearer stale"}):
            reply = api.send_bare("GET", "recordings", headers=stale, params=key)
            assert read_error(reply) == WRONG_CREDENTIAL

    def test_a_login_outside_v1_returns_a_token_for_seven_days(self, api: Api) -> None:
        url = f"{api.emulator.origin}/auth/login"
        payload = api.http.post(url, json=api.emulator.login).json()
        assert payload["username"] == api.emulator.login["username"]
        headers = {"Authorization": f"Bearer {payload['token']}"}
        api.clock.advance(7 * DAY - SECOND)
        assert api.send_bare("GET", "recordings", headers=headers).status_code == 200
        api.clock.advance(SECOND)
        assert read_error(api.send_bare("GET", "recordings", headers=headers)) == WRONG_CREDENTIAL

    def test_a_failed_login_is_a_400_without_an_envelope(self, api: Api) -> None:
        url = f"{api.emulator.origin}/auth/login"
        for body in (b"{", b'{"username": "x", "password": "y"}'):
            reply = api.http.post(url, data=body)
            assert (reply.status_code, reply.content) == (400, b"")


class TestRequests:
    def test_every_response_has_a_request_id(self, api: Api) -> None:
        for reply in (
            api("GET", "recordings"),
            api.send_bare("GET", "recordings"),
            api("GET", "x"),
        ):
            assert re.fullmatch(r"req_[A-Z2-7]{26}", reply.headers["X-Request-Id"])

    @pytest.mark.parametrize(
        ("given", "is_valid"), [("my-id_1", True), ("x" * 65, False), ("ä", False)]
    )
    def test_a_valid_request_id_of_the_client_is_returned(
        self, api: Api, given: str, is_valid: bool
    ) -> None:
        headers = {"X-Request-Id": given.encode()}
        reply = api("GET", "recordings", headers=headers)
        assert (reply.headers["X-Request-Id"] == given) is is_valid

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "calls"),
            ("GET", "recordings/x/y"),
            ("POST", "recordings"),
            ("PUT", f"recordings/{UNKNOWN}"),
            ("POST", f"calls/{UNKNOWN}/recording_pause"),
            ("GET", f"calls/{UNKNOWN}/recording_start"),
        ],
    )
    def test_an_unknown_route_is_404(self, api: Api, method: str, path: str) -> None:
        assert read_error(api(method, path)) == (404, "NOT_FOUND", "ROUTE_NOT_FOUND")

    def test_head_is_404(self, api: Api) -> None:
        assert api("HEAD", "recordings").status_code == 404

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "recordings/{}"),
            ("DELETE", "recordings/{}"),
            ("GET", "recordingfiles/{}"),
            ("GET", "calls/{}"),
            ("POST", "calls/{}/recording_start"),
            ("POST", "conferences/{}/recording_stop"),
            ("GET", "storage_files/{}"),
            ("GET", "storage_files/{}/file"),
        ],
    )
    def test_an_id_must_be_a_uuid_and_exist(self, api: Api, method: str, path: str) -> None:
        reason = "INVALID_REQUEST_PARAMETER" if path.endswith("/file") else "INVALID_ID"
        for wrong in ("x", NIL):
            reply = api(method, path.format(wrong))
            assert read_error(reply) == (400, "INVALID_ARGUMENT", reason)
        status, word, reason = read_error(api(method, path.format(UNKNOWN), json={}))
        assert (status, word) == (404, "NOT_FOUND")
        assert (reason == "FILE_NOT_FOUND") is path.startswith("storage_files")

    @pytest.mark.parametrize(
        ("assume", "reason"), [((), "RESOURCE_NOT_FOUND"), ((3,), "CONFERENCE_NOT_FOUND")]
    )
    def test_a_call_is_not_found_as_a_conference(
        self, api: Api, start_emulator: Any, assume: tuple[int, ...], reason: str
    ) -> None:
        api.emulator = start_emulator("voipbin", assume=assume)
        reply = api("GET", f"conferences/{api.find_live(CALL).id}")
        assert read_error(reply) == (404, "NOT_FOUND", reason)

    def test_a_deleted_call_is_409(self, api: Api) -> None:
        target = api.find_live(CALL)
        api.emulator.hang_up(target)
        assert api("GET", f"calls/{target.id}").status_code == 200
        api.emulator.delete_session(target)
        expected = (409, "FAILED_PRECONDITION", "STATE_INVALID")
        assert read_error(api("GET", f"calls/{target.id}")) == expected

    @pytest.mark.parametrize(
        ("assume", "reason"), [((), "RESOURCE_NOT_FOUND"), ((3,), "CONFERENCE_NOT_FOUND")]
    )
    def test_a_deleted_conference_does_not_exist(
        self, api: Api, start_emulator: Any, assume: tuple[int, ...], reason: str
    ) -> None:
        api.emulator = start_emulator("voipbin", assume=assume)
        target = api.find_live(CONFERENCE)
        api.emulator.delete_session(target)
        expected = (404, "NOT_FOUND", reason)
        assert read_error(api("GET", f"conferences/{target.id}")) == expected

    @pytest.mark.parametrize(
        ("status", "word", "reason"),
        [
            (400, "INVALID_ARGUMENT", "INVALID_ID"),
            (401, "UNAUTHENTICATED", "INVALID_CREDENTIALS"),
            (402, "PAYMENT_REQUIRED", "PAYMENT_REQUIRED"),
            (403, "PERMISSION_DENIED", "PERMISSION_DENIED"),
            (404, "NOT_FOUND", "ROUTE_NOT_FOUND"),
            (409, "FAILED_PRECONDITION", "FAILED_PRECONDITION"),
            (500, "INTERNAL", "INTERNAL"),
            (503, "UNAVAILABLE", "REQUEST_TIMEOUT"),
        ],
    )
    def test_a_fault_has_the_words_of_its_status(
        self, api: Api, status: int, word: str, reason: str
    ) -> None:
        api.emulator.faults.append(api.emulator.build_error(status))
        assert read_error(api("GET", "recordings")) == (status, word, reason)

    def test_the_rate_limit_returns_retry_after(self, api: Api) -> None:
        api.emulator.inject("429-storm", count=1, seconds=3)
        reply = api("GET", "recordings")
        assert read_error(reply) == (429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED")
        assert reply.json()["error"]["details"] == [{"limited_by": "customer"}]
        assert reply.headers["Retry-After"] == "3"
        assert api("GET", "recordings").status_code == 200


class TestStarting:
    @KINDS
    def test_the_response_is_the_session_with_the_recordings_id(
        self, api: Api, kind: SessionKind
    ) -> None:
        target = api.find_live(kind)
        before = api.read_json(f"{kind}s/{target.id}")
        assert (before["recording_id"], "recording_ids" in before) == (NIL, False)
        payload = api.send_verb(target, "start").json()
        assert (payload["id"], payload["status"]) == (target.id, "progressing")
        assert payload["recording_ids"] == [payload["recording_id"]]
        assert api.read_json(f"{kind}s/{target.id}") == payload
        assert api.list_ids()[0] == api.emulator.list_ids() == [payload["recording_id"]]

    def test_its_status_follows_the_clock(self, api: Api) -> None:
        id = api.send_verb(api.find_live(CALL), "start").json()["recording_id"]
        rows = [api.read_row(id)]
        for verb in (None, "stop", None):
            api.clock.advance(SECOND)
            if verb:
                api.send_verb(api.find_live(CALL), verb)
            rows.append(api.read_row(id))
        assert [row["status"] for row in rows] == ["initiating", "recording", "stopping", "ended"]
        times = [{name for name in row if name.startswith("tm_")} for row in rows]
        started = {"tm_create", "tm_start", "tm_update"}
        assert times == [{"tm_create"}, started, started, started | {"tm_end"}]
        assert rows[1]["tm_update"] == rows[1]["tm_start"] == "2026-06-01T12:00:01Z"
        assert rows[3]["tm_update"] == rows[3]["tm_end"] == "2026-06-01T12:00:03Z"

    def test_with_the_wall_clock_settings_it_records_at_once(
        self, manual_clock: ManualClock
    ) -> None:
        with VoIPBinEmulator(clock=manual_clock, **VoIPBinEmulator.wall_clock_settings) as emulator:
            api = Api(emulator, requests.Session(), manual_clock)
            id = api.send_verb(api.find_live(CALL), "start").json()["recording_id"]
            assert api.read_row(id)["status"] == "recording"
            api.send_verb(api.find_live(CALL), "stop")
            assert api.read_row(id)["status"] == "ended"

    def test_a_row_has_these_fields_in_this_order(self, api: Api) -> None:
        row = api.read_row(api.record(CALL, format="wav"))
        assert list(row) == [
            "id",
            "customer_id",
            "owner_type",
            "owner_id",
            "activeflow_id",
            "reference_type",
            "reference_id",
            "status",
            "format",
            "on_end_flow_id",
            "tm_start",
            "tm_end",
            "tm_create",
            "tm_update",
        ]
        assert (row["owner_type"], row["owner_id"], row["format"]) == ("", NIL, "wav")
        assert (row["reference_type"], row["reference_id"]) == ("call", api.find_live(CALL).id)
        assert {"owner_type", "owner_id"} <= set(api.read_json(f"calls/{row['reference_id']}"))

    def test_without_a_format_the_row_has_none_and_the_files_no_extension(self, api: Api) -> None:
        """So does the vendor's own command line start it: with the body `{}`."""
        id = api.start_recording(CALL)
        api.emulator.hang_up(api.find_live(CALL))
        api.clock.advance(api.emulator.processing)
        assert "format" not in api.read_row(id)
        names = [row["filename"] for row in api.read_files(id)]
        assert [name.rpartition("_")[2] for name in names] == ["out.", "in."]

    def test_a_conference_has_these_fields(self, api: Api) -> None:
        """Unlike a call it has no owner, and its unset times are null."""
        row = api.read_json(f"conferences/{api.find_live(CONFERENCE).id}")
        assert not {"owner_type", "owner_id"} & set(row)
        assert row["direct_hash"] == ""
        assert row["tm_create"] is not None
        assert [row[f"tm_{name}"] for name in ("end", "update", "delete")] == [None] * 3

    def test_a_conferences_recording_refers_to_its_confbridge(self, api: Api) -> None:
        target = api.find_live(CONFERENCE)
        row = api.read_row(api.record(CONFERENCE))
        assert row["reference_type"] == "confbridge"
        assert row["reference_id"] == api.emulator.find_reference_id(target) != target.id
        session = api.read_json(f"conferences/{target.id}")
        assert row["reference_id"] not in session.values()
        assert session["recording_ids"] == [row["id"]]

    @KINDS
    def test_all_parameters_are_accepted(self, api: Api, kind: SessionKind) -> None:
        flow = "11111111-2222-4333-8444-555555555555"
        body = {"format": "ogg", "on_end_flow_id": flow, "end_of_key": "#", "end_of_silence": 5}
        if kind is CONFERENCE:  # which does not have them, so that their type is not checked
            body |= {"end_of_key": 7, "end_of_silence": "x"}
        row = api.read_row(api.start_recording(kind, **body))
        assert (row["format"], row["on_end_flow_id"]) == ("ogg", flow)

    def test_a_flow_id_that_is_not_a_uuid_becomes_the_nil_uuid(self, api: Api) -> None:
        assert (
            api.read_row(api.start_recording(CALL, on_end_flow_id="later"))["on_end_flow_id"] == NIL
        )

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"[]", b'"x"', b'{"duration": "60"}', b'{"duration": 1.5}', b'{"format": 1}'],
    )
    def test_a_malformed_body_is_400(self, api: Api, body: bytes) -> None:
        path = f"calls/{api.find_live(CALL).id}/recording_start"
        reply = api("POST", path, data=body)
        assert read_error(reply) == (400, "INVALID_ARGUMENT", "INVALID_JSON_BODY")
        assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert api("POST", path, data=b'{"duration": null, "more": 1}').status_code == 200

    @pytest.mark.parametrize(
        ("kind", "duration", "seconds"),
        [
            (CALL, 60, 60),
            (CALL, 100_000, 100_000),
            (CONFERENCE, 60, 60),
            (CONFERENCE, 100_000, 86_400),
        ],
    )
    def test_a_duration_ends_it_and_is_at_most_a_day_for_a_conference(
        self, api: Api, kind: SessionKind, duration: int, seconds: int
    ) -> None:
        id = api.start_recording(kind, duration=duration)
        api.clock.advance(timedelta(seconds=seconds - 1))
        assert api.read_row(id)["status"] == "recording"
        api.clock.advance(SECOND)
        assert api.read_row(id)["status"] == "ended"

    @KINDS
    def test_without_a_duration_it_does_not_end(self, api: Api, kind: SessionKind) -> None:
        id = api.start_recording(kind, duration=0)
        api.clock.advance(6 * DAY)
        assert api.read_row(id)["status"] == "recording"


class TestUndocumentedBehaviour:
    """Behaviour that a client has to handle, which the source shows and no page documents."""

    def check_zero_object(self, reply: requests.Response) -> None:
        row = reply.json()
        assert reply.status_code == 200
        assert {row[name] for name in ("id", "recording_id", "customer_id")} == {NIL}
        assert not {"recording_ids", "status"} & set(row)
        of_call = {"source", "destination", "action", "owner_type", "owner_id"}
        of_conference = {"direct_hash", "tm_end", "tm_create", "tm_update", "tm_delete"}
        assert set(row) - {"id", "recording_id", "customer_id"} in (of_call, of_conference)

    def test_a_second_start_of_a_call_is_500(self, api: Api) -> None:
        id = api.start_recording(CALL)
        assert read_error(api.send_verb(api.find_live(CALL), "start")) == INTERNAL
        assert api.list_ids()[0] == [id]

    def test_a_second_start_of_a_conference_is_200_with_an_all_zero_object(self, api: Api) -> None:
        id = api.start_recording(CONFERENCE)
        self.check_zero_object(api.send_verb(api.find_live(CONFERENCE), "start"))
        assert api.list_ids()[0] == [id]

    def test_a_start_in_an_ended_session_is_the_same(self, api: Api) -> None:
        for target in api.emulator.sessions:
            api.emulator.hang_up(target)
        assert read_error(api.send_verb(api.find_live(CALL), "start")) == INTERNAL
        self.check_zero_object(api.send_verb(api.find_live(CONFERENCE), "start"))
        assert api.emulator.list_ids() == []

    def test_a_stop_without_a_recording_is_an_all_zero_object_for_a_call(self, api: Api) -> None:
        self.check_zero_object(api.send_verb(api.find_live(CALL), "stop"))
        api.record(CALL)
        self.check_zero_object(api.send_verb(api.find_live(CALL), "stop"))

    def test_a_stop_without_a_recording_is_400_for_a_conference(self, api: Api) -> None:
        expected = (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")
        assert read_error(api.send_verb(api.find_live(CONFERENCE), "stop")) == expected
        api.record(CONFERENCE)
        assert read_error(api.send_verb(api.find_live(CONFERENCE), "stop")) == expected

    @pytest.mark.parametrize("assume", [(), (4,)])
    @pytest.mark.parametrize(
        ("kind", "status", "error"),
        [
            (CALL, "hangup", INTERNAL),
            (CONFERENCE, "terminated", (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")),
        ],
    )
    def test_a_hang_up_ends_the_recording_and_a_stop_is_an_error(
        self,
        api: Api,
        start_emulator: Any,
        kind: SessionKind,
        status: str | None,
        error: tuple[int, str, str],
        assume: tuple[int, ...],
    ) -> None:
        api.emulator = start_emulator("voipbin", assume=assume)
        status = status if assume else None
        id = api.start_recording(kind)
        api.clock.advance(7 * SECOND)
        target = api.find_live(kind)
        api.emulator.hang_up(target)
        row = api.read_row(id)
        assert (row["status"], row["tm_end"]) == ("ended", "2026-06-01T12:00:08Z")
        session = api.read_json(f"{kind}s/{target.id}")
        assert (session.get("status"), session["recording_id"]) == (status, id)
        assert read_error(api.send_verb(target, "stop")) == error

    def test_a_calls_recording_that_ended_without_a_stop_blocks_the_next_start_until_a_stop(
        self, api: Api
    ) -> None:
        target = api.find_live(CALL)
        id = api.start_recording(CALL, duration=5)
        api.clock.advance(10 * SECOND)
        assert api.read_row(id)["status"] == "ended"
        assert api.read_json(f"calls/{target.id}")["recording_id"] == id
        assert read_error(api.send_verb(target, "start")) == INTERNAL
        assert api.send_verb(target, "stop").json()["recording_id"] == NIL
        assert api.start_recording(CALL) != id

    def test_a_conferences_recording_that_ended_without_a_stop_blocks_every_later_start(
        self, api: Api
    ) -> None:
        target = api.find_live(CONFERENCE)
        id = api.start_recording(CONFERENCE, format="wav", duration=30)
        api.clock.advance(31 * SECOND)
        row = api.read_row(id)
        assert row["status"] == "ended"
        for _ in range(2):
            expected = (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")
            assert read_error(api.send_verb(target, "stop")) == expected
            assert api.read_json(f"conferences/{target.id}")["recording_id"] == id
            self.check_zero_object(api.send_verb(target, "start"))
        assert api.read_row(id) == row, "the refused stop does not write `stopping`"

    def test_a_stop_after_the_end_overwrites_ended_and_keeps_tm_end(self, api: Api) -> None:
        id = api.start_recording(CALL, duration=5)
        api.clock.advance(10 * SECOND)
        end = api.read_row(id)["tm_end"]
        api.send_verb(api.find_live(CALL), "stop")
        api.clock.advance(HOUR)
        row = api.read_row(id)
        assert (row["status"], row["tm_end"]) == ("stopping", end)
        assert len(api.download_archive(id).namelist()) == 2

    def test_a_stop_clears_recording_id_at_once(self, api: Api) -> None:
        first = api.start_recording(CALL)
        api.send_verb(api.find_live(CALL), "stop")
        second = api.start_recording(CALL)
        ids = api.read_json(f"calls/{api.find_live(CALL).id}")["recording_ids"]
        assert ids == sorted([first, second])

    def test_the_history_of_a_call_is_in_the_order_that_is_assumed(
        self, api: Api, start_emulator: Any
    ) -> None:
        for assume in ((), (6,)):
            api.emulator = start_emulator("voipbin", assume=assume)
            ids = [api.record(CALL) for _ in range(5)]
            found = api.read_json(f"calls/{api.find_live(CALL).id}")["recording_ids"]
            assert found == (ids if assume else sorted(ids))
            assert ids != sorted(ids)

    def test_a_stop_before_the_start_takes_effect_after_it(self, api: Api) -> None:
        id = api.send_verb(api.find_live(CALL), "start").json()["recording_id"]
        api.send_verb(api.find_live(CALL), "stop")
        assert api.read_row(id)["status"] == "stopping"
        api.clock.advance(2 * SECOND)
        row = api.read_row(id)
        assert row["status"] == "ended"
        assert (row["tm_start"], row["tm_end"]) == ("2026-06-01T12:00:01Z", "2026-06-01T12:00:02Z")

    def test_a_hang_up_before_the_start_leaves_empty_files(self, api: Api) -> None:
        id = api.send_verb(api.find_live(CALL), "start").json()["recording_id"]
        api.emulator.hang_up(api.find_live(CALL))
        api.clock.advance(SECOND)
        row = api.read_row(id)
        assert row["tm_start"] == row["tm_end"] == "2026-06-01T12:00:01Z"
        api.clock.advance(api.emulator.processing)
        assert [file["filesize"] for file in api.read_files(id)] == [44, 44]

    def test_a_hang_up_after_the_end_changes_nothing(self, api: Api) -> None:
        row = api.read_row(api.record(CALL))
        api.clock.advance(HOUR)
        api.emulator.hang_up(api.find_live(CALL))
        assert api.read_row(row["id"]) == row

    @pytest.mark.parametrize("stuck", ["initiating", "recording"])
    def test_a_failed_recording_keeps_its_status(self, api: Api, stuck: Any) -> None:
        [id] = api.add_recordings(5 * DAY, stuck=stuck)
        row = api.read_row(id)
        assert row["status"] == stuck
        assert "tm_end" not in row
        assert ("tm_start" in row) is (stuck == "recording")
        assert (api.download_archive(id).namelist(), api.read_files(id)) == ([], [])

    @pytest.mark.parametrize("stuck", ["initiating", "recording"])
    def test_a_stop_makes_a_calls_failed_recording_stopping_without_an_end(
        self, api: Api, stuck: Any
    ) -> None:
        target = api.find_live(CALL)
        [id] = api.add_recordings(HOUR, stuck=stuck, target=target)
        before = api.read_row(id)
        assert api.read_json(f"calls/{target.id}")["recording_id"] == id
        assert read_error(api.send_verb(target, "start")) == INTERNAL
        assert api.send_verb(target, "stop").json()["recording_id"] == NIL
        api.clock.advance(DAY)
        assert api.read_row(id) == {**before, "status": "stopping"}
        assert api.read_files(id) == []

    def test_an_added_recording_may_keep_the_status_stopping(self, api: Api) -> None:
        [id] = api.add_recordings(HOUR, stuck="stopping")
        assert api.read_row(id)["status"] == "stopping"
        assert "tm_end" in api.read_row(id)
        assert len(api.read_files(id)) == 2


class TestDeleting:
    def test_the_response_is_the_row_which_is_404_afterwards(self, api: Api) -> None:
        [id] = api.add_recordings(HOUR)
        reply = api("DELETE", f"recordings/{id}")
        assert reply.status_code == 200
        row = reply.json()
        assert row["tm_delete"] == row["tm_update"] == "2026-06-01T12:00:00Z"
        assert row["status"] == "ended"
        expected = (404, "NOT_FOUND", "RESOURCE_NOT_FOUND")
        assert read_error(api("GET", f"recordings/{id}")) == expected
        assert read_error(api("DELETE", f"recordings/{id}")) == expected
        assert read_error(api("GET", f"recordingfiles/{id}")) == expected
        assert api.list_ids() == [[]]
        assert api.emulator.list_ids() == []

    def test_its_files_are_deleted_later(self, api: Api) -> None:
        [id] = api.add_recordings(HOUR)
        [file, _] = api.read_files(id)
        api("DELETE", f"recordings/{id}")
        assert len(api.read_files(id)) == 2
        api.clock.advance(api.emulator.processing)
        assert api.read_files(id) == []
        path = f"storage_files/{file['id']}"
        assert read_error(api("GET", path)) == (404, "NOT_FOUND", "FILE_NOT_FOUND")

    def test_a_running_recording_can_be_deleted_and_continues(self, api: Api) -> None:
        id = api.start_recording(CALL)
        assert api("DELETE", f"recordings/{id}").json()["status"] == "recording"
        assert api.read_json(f"calls/{api.find_live(CALL).id}")["recording_id"] == id
        api.clock.advance(SECOND)
        assert api.send_verb(api.find_live(CALL), "stop").status_code == 200
        api.clock.advance(HOUR)
        assert len(api.read_files(id)) == 2, "stored after the deletion"
        finished = json.loads(api.emulator.build_webhook_requests()[-1].body)["data"]
        assert finished["tm_delete"] == "2026-06-01T12:00:01Z"
        assert finished["tm_update"] == finished["tm_end"] == "2026-06-01T12:00:03Z"

    def test_a_removed_recording_is_404(self, api: Api) -> None:
        [id] = api.add_recordings(HOUR)
        api.emulator.remove(id)
        unknown = (404, "NOT_FOUND", "RECORDING_NOT_FOUND")
        assert read_error(api("GET", f"recordings/{id}")) == unknown

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "recordings/"), ("DELETE", "recordings/"), ("GET", "recordingfiles/")],
    )
    def test_another_customers_recording_is_403_and_not_listed(
        self, api: Api, method: str, path: str
    ) -> None:
        [id] = api.add_recordings(HOUR, foreign=True)
        assert read_error(api(method, path + id)) == FORBIDDEN
        assert api.list_ids() == [[]]
        assert (api.emulator.list_ids(), api.read_files(id)) == ([], [])


class TestListing:
    def test_rows_are_newest_first_and_the_last_page_has_a_token(self, api: Api) -> None:
        ids = api.add_recordings(*[n * HOUR for n in range(1, 6)])
        assert api.list_ids(page_size=2) == [ids[:2], ids[2:4], ids[4:], []]
        last = api.read_json("recordings", page_size=5)
        assert last["next_page_token"] == "2026-06-01T07:00:00.000000Z"
        empty = api.read_json("recordings", page_token=last["next_page_token"])
        assert empty == {"result": [], "next_page_token": ""}

    @pytest.mark.parametrize("size", ["0", "-1", "101", "100000", None])
    def test_a_page_size_out_of_range_becomes_100(self, api: Api, size: str | None) -> None:
        api.add_recordings(*[n * HOUR for n in range(1, 103)])
        assert len(api.read_json("recordings", page_size=size)["result"]) == 100

    @pytest.mark.parametrize("size", ["x", "1.5", "1_0", "١"])
    def test_a_page_size_that_is_not_an_integer_is_400(self, api: Api, size: str) -> None:
        reply = api("GET", "recordings", params={"page_size": size})
        assert read_error(reply) == (400, "INVALID_ARGUMENT", "INVALID_REQUEST_PARAMETER")

    @pytest.mark.parametrize("token", ["2026-06-01", "2026-06-01 00:00:00.5", "2026-06-01T00:00Z"])
    def test_any_date_is_a_token(self, api: Api, token: str) -> None:
        _, old = api.add_recordings(HOUR, DAY)
        assert api.list_ids(page_token=token)[0] == [old]

    def test_a_token_that_is_not_a_date_is_500_if_that_is_assumed(
        self, api: Api, start_emulator: Any
    ) -> None:
        assert api("GET", "recordings", params={"page_token": "zz"}).status_code == 200
        api.emulator = start_emulator("voipbin", assume=[5])
        assert read_error(api("GET", "recordings", params={"page_token": "zz"})) == INTERNAL

    def test_rows_of_one_microsecond_at_the_end_of_a_page_are_skipped(self, api: Api) -> None:
        api.add_recordings(HOUR, 2 * HOUR, 2 * HOUR, 3 * HOUR)
        assert [len(page) for page in api.list_ids(page_size=2)] == [2, 1, 0]

    def test_new_rows_do_not_shift_pages(self, api: Api) -> None:
        ids = api.add_recordings(HOUR, 2 * HOUR, 3 * HOUR)
        token = api.read_json("recordings", page_size=2)["next_page_token"]
        api.add_recordings(timedelta(minutes=1))
        assert api.list_ids(page_token=token)[0] == ids[2:]

    def test_filters_are_ignored(self, api: Api) -> None:
        ids = api.add_recordings(HOUR, 2 * HOUR)
        found = api.list_ids(status="recording", reference_id=UNKNOWN, tm_create="2020-01-01")
        assert found[0] == ids


class TestTimes:
    @TIME_FORMATS
    def test_page_tokens_work_in_every_time_format(self, api: Api, time_format: TimeFormat) -> None:
        api.emulator.time_format = time_format
        ids = api.add_recordings(*[n * HOUR for n in range(1, 6)])
        assert api.list_ids(page_size=2) == [ids[:2], ids[2:4], ids[4:], []]

    @pytest.mark.parametrize(
        ("time_format", "create", "unset", "token"),
        [
            ("rfc3339", "2026-05-31T12:00:00.87Z", None, "2026-05-31T12:00:00.870000Z"),
            (
                "sentinel",
                "2026-05-31 12:00:00.870000",
                "9999-01-01 00:00:00.000000",
                "2026-05-31 12:00:00.870000",
            ),
            (
                "fixed6",
                "2026-05-31T12:00:00.870000Z",
                "9999-01-01T00:00:00.000000Z",
                "2026-05-31T12:00:00.870000Z",
            ),
        ],
    )
    def test_each_time_format_writes_set_and_unset_times(
        self, api: Api, time_format: TimeFormat, create: str, unset: str | None, token: str
    ) -> None:
        api.emulator.time_format = time_format
        [id] = api.add_recordings(DAY - timedelta(milliseconds=870), stuck="recording")
        row = api.read_row(id)
        assert row["tm_create"] == create
        assert ("tm_end" in row, "tm_delete" in row) == (unset is not None,) * 2
        assert (row.get("tm_end"), row.get("tm_delete")) == (unset, unset)
        assert api.read_json("recordings")["next_page_token"] == token

    def test_an_old_row_in_the_sentinel_format_has_an_empty_tm_delete(self, api: Api) -> None:
        api.emulator.time_format = "sentinel"
        [id] = api.add_recordings(40 * DAY)
        assert api.read_row(id)["tm_delete"] == ""

    @pytest.mark.parametrize(
        ("microseconds", "fraction"),
        [(0, ""), (870_000, ".87"), (932_000, ".932"), (51, ".000051")],
    )
    def test_zeros_at_the_end_of_the_fraction_are_dropped(
        self, api: Api, microseconds: int, fraction: str
    ) -> None:
        created = datetime(2026, 5, 1, 5, 31, 40, microseconds, tzinfo=UTC)
        assert api.read_row(api.emulator.add(created=created))["tm_create"] == (
            f"2026-05-01T05:31:40{fraction}Z"
        )

    def test_the_words_of_the_recordings_page_can_be_set(self, api: Api) -> None:
        api.emulator.reference_key = "type"
        api.emulator.conference_word = "conference"
        [id] = api.add_recordings(HOUR, kind=CONFERENCE)
        row = api.read_row(id)
        assert row["type"] == "conference"
        assert "reference_type" not in row


class TestStorage:
    def test_a_row_has_the_recording_the_file_name_and_the_size(self, api: Api) -> None:
        id = api.record(CALL, format="wav")
        api.clock.advance(api.emulator.processing)
        [out, in_] = api.read_files(id)
        call = api.find_live(CALL).id
        names = [f"call_{call}_2026-06-01T12:00:00Z_{leg}.wav" for leg in ("in", "out")]
        assert [in_["filename"], out["filename"]] == names
        facts = {
            "owner_type": "agent",
            "type": "recording",
            "name": "recording file",
            "detail": "",
            "reference_type": "recording",
        }
        assert {name: in_[name] for name in facts} == facts
        assert in_["tm_update"] is in_["tm_delete"] is None
        assert api.read_json(f"storage_files/{in_['id']}") == in_
        # The recording lasted eleven seconds by the server's clock; its audio is shorter.
        assert in_["filesize"] == 44 + 2 * (8000 * 11 - 3520)

    def test_pages_work_as_those_of_recordings(self, api: Api) -> None:
        api.add_recordings(HOUR, 2 * HOUR, kind=CONFERENCE)
        pages = api.read_pages("storage_files", page_size=1)
        assert [len(page) for page in pages] == [1, 1, 0]
        created = [row["tm_create"] for page in pages for row in page]
        assert created == sorted(created, reverse=True)
        reply = api("GET", "storage_files", params={"page_size": "x"})
        assert read_error(reply)[2] == "INVALID_REQUEST_PARAMETER"

    def test_a_single_file_can_be_downloaded(self, api: Api) -> None:
        [id] = api.add_recordings(HOUR)
        for row in api.read_files(id):
            reply = api("GET", f"storage_files/{row['id']}/file")
            assert reply.status_code == 307
            for url in (reply.headers["Location"], row["uri_download"]):
                media = requests.get(url)
                assert media.headers["Content-Type"] == "audio/wav"
                assert len(media.content) == row["filesize"]

    def test_the_url_in_a_row_expires_after_a_week_and_is_renewed_by_a_request(
        self, api: Api
    ) -> None:
        new, old = api.add_recordings(6 * DAY, 8 * DAY)
        for id, status in ((new, 200), (old, 400)):
            for row in api.read_files(id):
                assert (row["tm_download_expire"] > "2026-06-01") is (status == 200)
                query = parse_qs(urlsplit(row["uri_download"]).query)
                assert query["X-Goog-Expires"] == [str(7 * 86400)]
                assert requests.get(row["uri_download"]).status_code == status
                renewed = api("GET", f"storage_files/{row['id']}/file").headers["Location"]
                assert requests.get(renewed).status_code == 200

    def test_an_uploaded_file_has_another_type_and_may_have_no_url(
        self, start_emulator: Any, api: Api
    ) -> None:
        api.emulator = start_emulator("voipbin", recordings=3)
        uploads = api.read_files(NIL)
        assert len(uploads) == 2
        for row in uploads:
            assert (row["type"], row["uri_download"]) == ("rag", "")
            assert row["tm_download_expire"] is None

    def test_another_customers_file_is_not_found(self, api: Api) -> None:
        [id] = api.add_recordings(HOUR)
        [file, _] = api.read_files(id)
        api.emulator._recordings[id].foreign = True
        assert read_error(api("GET", f"storage_files/{file['id']}"))[2] == "FILE_NOT_FOUND"


class TestDownloading:
    def test_it_is_a_307_to_a_signed_url_with_the_page_that_go_writes(self, api: Api) -> None:
        [id] = api.add_recordings(HOUR)
        reply = api("GET", f"recordingfiles/{id}")
        url = reply.headers["Location"]
        assert reply.status_code == 307
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
        assert reply.text == f'<a href="{html.escape(url)}">Temporary Redirect</a>.\n\n'
        assert url.startswith(api.emulator.media_origin + "/")
        query = parse_qs(urlsplit(url).query, strict_parsing=True)
        assert query["X-Goog-Algorithm"] == ["GOOG4-RSA-SHA256"]
        assert query["X-Goog-Expires"] == ["86400"]
        assert set(query) == {
            f"X-Goog-{name}"
            for name in ("Algorithm", "Credential", "Date", "Expires", "Signature", "SignedHeaders")
        }
        assert re.fullmatch(r"/[^/]+/tmp/[0-9a-f]{40}\.zip", urlsplit(url).path)

    @pytest.mark.parametrize(
        ("kind", "word", "legs"),
        [(CALL, "call", ["in", "out"]), (CONFERENCE, "confbridge", ["in"])],
    )
    def test_the_zip_has_one_wav_per_leg_as_stored_files_do(
        self, api: Api, kind: SessionKind, word: str, legs: list[str]
    ) -> None:
        id = api.record(kind, format="wav")
        api.clock.advance(api.emulator.processing)
        reference = api.read_row(id)["reference_id"]
        stem = f"{word}_{reference}_2026-06-01T12:00:00Z"
        archive = api.download_archive(id)
        # Newest first, so that `out` is before `in`, and without a date.
        assert archive.namelist() == [f"{stem}_{leg}.wav" for leg in reversed(legs)]
        assert {each.date_time for each in archive.infolist()} == {(1980, 0, 0, 0, 0, 0)}
        sizes = {row["filename"]: row["filesize"] for row in api.read_files(id)}
        assert {each.filename: each.file_size for each in archive.infolist()} == sizes
        contents = [archive.read(name) for name in archive.namelist()]
        assert len(set(contents)) == len(legs)
        for content in contents:
            with wave.open(io.BytesIO(content)) as file:
                assert file.getparams()[:3] == (1, 2, 8000)
                assert file.getnframes() / 8000 == pytest.approx(11 - 0.44)

    def test_out_is_before_in_also_if_both_are_stored_at_once(self, api: Api) -> None:
        api.emulator.processing = timedelta(0)
        [id] = api.add_recordings(HOUR)
        names = api.download_archive(id).namelist()
        assert [name.rpartition("_")[2] for name in names] == ["out.wav", "in.wav"]

    def test_it_is_deflated_with_the_sizes_after_each_entry(self, api: Api) -> None:
        [id] = api.add_recordings(HOUR)
        for entry in api.download_archive(id).infolist():
            assert entry.compress_type == zipfile.ZIP_DEFLATED
            assert entry.flag_bits & 0x08

    def test_ended_is_reported_before_the_files_are_stored(self, api: Api) -> None:
        id = api.record(CALL)
        assert api.read_row(id)["status"] == "ended"
        found, keys = [], []
        for _ in range(3):
            keys.append(urlsplit(api.read_signed_url(id)).path)
            found.append((len(api.download_archive(id).namelist()), len(api.read_files(id))))
            api.clock.advance(api.emulator.processing / 2)
        assert found == [(0, 0), (1, 1), (2, 2)]
        assert len(set(keys)) == 3

    def test_all_empty_archives_have_22_bytes_and_the_same_name(self, api: Api) -> None:
        for id in (
            api.start_recording(CALL),
            api.record(CONFERENCE),
            *api.add_recordings(DAY, stored=0),
        ):
            url = api.read_signed_url(id)
            assert urlsplit(url).path.endswith(EMPTY)
            assert len(requests.get(url).content) == 22

    def test_a_leg_may_never_be_stored(self, api: Api) -> None:
        [id] = api.add_recordings(10 * DAY, stored=1)
        [name] = api.download_archive(id).namelist()
        assert name.endswith("_in.wav")
        assert [row["filename"] for row in api.read_files(id)] == [name]

    def test_another_zip_can_be_set(self, api: Api) -> None:
        [id] = api.add_recordings(HOUR)
        api.emulator.zip_override = b"PK\x05\x06 hostile"
        assert requests.get(api.read_signed_url(id)).content == b"PK\x05\x06 hostile"

    def test_the_url_expires_after_a_day_and_can_be_renewed(self, api: Api) -> None:
        [id] = api.add_recordings(HOUR)
        url = api.read_signed_url(id)
        api.clock.advance(DAY - SECOND)
        assert requests.get(url).status_code == 200
        api.clock.advance(SECOND)
        reply = requests.get(url)
        assert (reply.status_code, "<Code>ExpiredToken</Code>" in reply.text) == (400, True)
        assert reply.headers["Content-Type"].startswith("application/xml")
        assert requests.get(api.read_signed_url(id)).status_code == 200

    @pytest.mark.parametrize("add", ["&token=x", "&accesskey=x", "#", "0"])
    def test_the_signature_covers_the_query(self, api: Api, add: str) -> None:
        [id] = api.add_recordings(HOUR)
        is_valid = add == "#"  # a fragment is not sent
        assert (requests.get(api.read_signed_url(id) + add).status_code == 200) is is_valid

    def test_the_signature_covers_the_path(self, api: Api) -> None:
        one, other = (api.read_signed_url(id) for id in api.add_recordings(HOUR, 2 * HOUR))
        mixed = urlsplit(one)._replace(path=urlsplit(other).path).geturl()
        assert "SignatureDoesNotMatch" in requests.get(mixed).text
        assert requests.get(one.partition("?")[0]).status_code == 403

    def test_a_credential_is_checked_in_place_of_the_signature(self, api: Api) -> None:
        [id] = api.add_recordings(HOUR)
        headers = {"Authorization": f"Bearer {api.emulator.token}"}
        assert requests.get(api.read_signed_url(id), headers=headers).status_code == 401

    def test_the_signature_covers_the_method(self, api: Api) -> None:
        [id] = api.add_recordings(HOUR)
        assert requests.head(api.read_signed_url(id)).status_code == 403

    def test_a_range_can_be_requested(self, api: Api) -> None:
        [id] = api.add_recordings(HOUR)
        whole = requests.get(api.read_signed_url(id))
        api.clock.advance(SECOND)
        headers = {"Range": "bytes=5-", "If-Range": whole.headers["ETag"]}
        part = requests.get(api.read_signed_url(id), headers=headers)
        assert (part.status_code, part.content) == (206, whole.content[5:])

    def test_the_archive_of_a_deleted_recording_still_exists(self, api: Api) -> None:
        [id] = api.add_recordings(HOUR)
        url = api.read_signed_url(id)
        api("DELETE", f"recordings/{id}")
        api.clock.advance(api.emulator.processing)
        assert requests.get(url).status_code == 200


class TestPastRecordings:
    @pytest.fixture
    def past(self, api: Api, start_emulator: Callable[..., VoIPBinEmulator]) -> Api:
        return evolve(api, emulator=start_emulator("voipbin", recordings=45))

    def test_the_requested_number_is_spread_over_ninety_days(self, past: Api) -> None:
        rows = [row for page in past.read_pages(page_size=20) for row in page]
        assert [row["id"] for row in rows] == list(dict.fromkeys(row["id"] for row in rows))
        assert {row["id"] for row in rows} == set(past.emulator.list_ids())
        assert len(rows) == 45
        created = [datetime.fromisoformat(row["tm_create"]) for row in rows]
        assert created == sorted(created, reverse=True)
        now = past.clock.now()
        assert timedelta(0) < now - created[0] < DAY
        assert 85 * DAY < now - created[-1] < 90 * DAY
        assert {row["status"] for row in rows} == {"ended"}
        assert {row["reference_type"] for row in rows} == {"call", "confbridge"}
        assert len({len(row["tm_create"]) for row in rows}) >= 3

    def test_the_files_of_all_but_two_old_recordings_are_stored(self, past: Api) -> None:
        ids = [id for page in past.list_ids() for id in page]
        stored = [row["reference_id"] for page in past.read_pages("storage_files") for row in page]
        empty = [id for id in ids if id not in stored]
        assert len(empty) == 2
        assert not set(empty) & set(ids[:20])
        assert all(past.download_archive(id).namelist() == [] for id in empty)
        assert len(past.download_archive(ids[0]).namelist()) == 2
        assert stored.count(NIL) == 2, "uploaded files are listed too"

    def test_a_conference_has_the_ids_of_its_recordings(self, past: Api) -> None:
        target = past.find_live(CONFERENCE)
        ids = past.read_json(f"conferences/{target.id}")["recording_ids"]
        reference = past.emulator.find_reference_id(target)
        assert len(ids) > 1
        assert {past.read_row(id)["reference_id"] for id in ids} == {reference}

    def test_a_past_call_is_hung_up_and_keeps_its_recording_id(self, past: Api) -> None:
        row = next(
            row for page in past.read_pages() for row in page if row["reference_type"] == "call"
        )
        call = past.read_json(f"calls/{row['reference_id']}")
        assert ("status" in call, call["recording_id"]) == (False, row["id"])

    def test_the_same_seed_creates_the_same_recordings(self, manual_clock: ManualClock) -> None:
        def list_values(seed: int) -> list[str]:
            with VoIPBinEmulator(recordings=9, clock=manual_clock, seed=seed) as emulator:
                ids = [session.id for session in emulator.sessions]
                return [*emulator.list_ids(), *ids, emulator.token, emulator.accesskey]

        assert list_values(1) == list_values(1)
        assert not set(list_values(1)) & set(list_values(2))
