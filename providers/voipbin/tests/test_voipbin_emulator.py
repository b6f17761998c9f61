"""Does the emulator behave as VoIPBin's pages and source say? Asked over raw HTTP.

https://docs.voipbin.net, https://api.voipbin.net/openapi.json, github voipbin/monorepo
"""

from __future__ import annotations

import html
import io
import re
import wave
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from attrs import define

from recording_core import CommunicationSession, SessionKind
from recording_core.testing.emulator.server import Reply
from recording_core.testing.manual_clock import ManualClock
from recording_voipbin.emulated_times import Age
from recording_voipbin.emulator import VoIPBinEmulator

CALL, CONFERENCE = SessionKind.CALL, SessionKind.CONFERENCE
NIL = "00000000-0000-0000-0000-000000000000"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
EMPTY = "tmp/da39a3ee5e6b4b0d3255bfef95601890afd80709.zip"
DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)


@define
class Api:
    """An HTTP client with the account's token, and the emulator that it talks to."""

    emulator: VoIPBinEmulator
    http: requests.Session
    clock: ManualClock

    def __call__(self, method: str, path: str, **more: Any) -> requests.Response:
        """One request below /v1.0 with the token in its header; redirects are not followed."""
        headers = {"Authorization": f"Bearer {self.emulator.token}", **more.pop("headers", {})}
        return self.bare(method, path, headers=headers, **more)

    def bare(self, method: str, path: str, **more: Any) -> requests.Response:
        """The same without a credential."""
        url = f"{self.emulator.base_url}/{path}"
        return self.http.request(method, url, allow_redirects=False, **more)

    def get(self, path: str, **query: Any) -> Any:
        reply = self("GET", path, params=query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def row(self, id: str) -> dict[str, Any]:
        row: dict[str, Any] = self.get(f"recordings/{id}")
        return row

    def act(self, target: CommunicationSession, verb: str, **body: Any) -> requests.Response:
        json = body if verb == "start" else None
        return self("POST", f"{target.kind}s/{target.id}/recording_{verb}", json=json)

    def live(self, kind: SessionKind) -> CommunicationSession:
        return next(each for each in self.emulator.sessions if each.kind is kind)

    def started(self, kind: SessionKind, **body: Any) -> str:
        """The id of a recording that runs since its first second."""
        answer = self.act(self.live(kind), "start", **body).json()
        self.clock.advance(SECOND)
        id: str = answer["recording_id"]
        assert id != NIL
        return id

    def recorded(self, kind: SessionKind, seconds: float = 10, **body: Any) -> str:
        """The id of a recording that has just ended by a stop."""
        id = self.started(kind, **body)
        self.clock.advance(timedelta(seconds=seconds))
        assert self.act(self.live(kind), "stop").status_code == 200
        self.clock.advance(SECOND)
        return id

    def pages(self, path: str = "recordings", **query: Any) -> list[list[dict[str, Any]]]:
        """The pages up to and with the empty one; thirty at most."""
        pages: list[list[dict[str, Any]]] = []
        while len(pages) < 30:
            answer = self.get(path, **query)
            pages.append(answer["result"])
            if not answer["result"]:
                break
            query["page_token"] = answer["next_page_token"]
        return pages

    def ids(self, **query: Any) -> list[list[str]]:
        return [[row["id"] for row in page] for page in self.pages(**query)]

    def files(self, recording_id: str) -> list[dict[str, Any]]:
        """What storage names of it, newest first."""
        rows = (row for page in self.pages("storage_files") for row in page)
        return [row for row in rows if row["reference_id"] == recording_id]

    def signed_url(self, id: str) -> str:
        reply = self("GET", f"recordingfiles/{id}")
        assert reply.status_code == 307, reply.text
        return reply.headers["Location"]

    def archive(self, id: str) -> zipfile.ZipFile:
        reply = requests.get(self.signed_url(id))
        assert (reply.status_code, reply.headers["Content-Type"]) == (200, "application/zip")
        return zipfile.ZipFile(io.BytesIO(reply.content))

    def planted(self, *ages: timedelta, **more: Any) -> list[str]:
        """Recordings that were created so long ago."""
        return [self.emulator.add(created=self.clock.now() - age, **more) for age in ages]


def refusal(reply: requests.Response) -> tuple[int, str, str]:
    """The HTTP status, the status and the reason of the one error envelope."""
    assert set(reply.json()) == {"error"}
    error = reply.json()["error"]
    assert set(error) == {"status", "reason", "message", "request_id"}
    assert error["request_id"] == reply.headers["X-Request-Id"]
    return reply.status_code, error["status"], error["reason"]


INTERNAL = (500, "INTERNAL", "INTERNAL")
FORBIDDEN = (403, "PERMISSION_DENIED", "PERMISSION_DENIED")
NO_CREDENTIAL = (401, "UNAUTHENTICATED", "AUTHENTICATION_REQUIRED")
BAD_CREDENTIAL = (401, "UNAUTHENTICATED", "INVALID_CREDENTIALS")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def api(clock: ManualClock) -> Iterator[Api]:
    """A vendor with no past."""
    with VoIPBinEmulator(clock=clock) as emulator, requests.Session() as http:
        http.trust_env = False
        yield Api(emulator, http, clock)


KINDS = pytest.mark.parametrize("kind", [CALL, CONFERENCE])
AGES = pytest.mark.parametrize("age", get_args(Age))


class TestCredentials:
    @pytest.mark.parametrize("signing", ["token", "accesskey"])
    def test_there_is_one_of_the_two(self, signing: Any) -> None:
        emulator = VoIPBinEmulator(signing=signing)
        assert emulator.credentials == {signing: getattr(emulator, signing)}
        assert re.fullmatch(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+", emulator.token)
        assert re.fullmatch(r"vb_\w{32}", emulator.accesskey)

    def test_a_token_comes_by_header_query_or_cookie(self, api: Api) -> None:
        token = api.emulator.token
        for carrier in (
            {"headers": {"Authorization": f"Bearer {token}"}},
            {"params": {"token": token}},
            {"headers": {"Cookie": f"other=1; token={token}"}},
        ):
            assert api.bare("GET", "recordings", **carrier).status_code == 200

    def test_an_access_key_comes_by_query_or_cookie(self, api: Api) -> None:
        key = api.emulator.accesskey
        for carrier in (
            {"params": {"accesskey": key}},
            {"headers": {"Cookie": f"accesskey={key}"}},
        ):
            assert api.bare("GET", "recordings", **carrier).status_code == 200

    def test_an_access_key_as_a_bearer_is_a_bad_token(self, api: Api) -> None:
        headers = {"Authorization": f"Bearer {api.emulator.accesskey}"}
        assert refusal(api.bare("GET", "recordings", headers=headers)) == BAD_CREDENTIAL

    @pytest.mark.parametrize("header", ["", "bearer x.y.z", "Basic eDp5"])
    def test_no_credential_or_another_scheme_is_none(self, api: Api, header: str) -> None:
        headers = {"Authorization": header} if header else {}
        assert refusal(api.bare("GET", "recordings", headers=headers)) == NO_CREDENTIAL

    @pytest.mark.parametrize(
        "carrier",
        [
            {"headers": {"Authorization": "Bearer nonsense"}},
            {"params": {"token": "a.b.c"}},
            {"params": {"accesskey": "vb_nothing"}},
            {"headers": {"Cookie": "accesskey=vb_nothing"}},
        ],
    )
    def test_a_wrong_one_is_refused(self, api: Api, carrier: dict[str, Any]) -> None:
        assert refusal(api.bare("GET", "recordings", **carrier)) == BAD_CREDENTIAL

    def test_cookie_beats_query_beats_header(self, api: Api) -> None:
        good = {"Authorization": f"Bearer {api.emulator.token}"}
        stale = {**good, "Cookie": "token=stale"}
        query = {"token": api.emulator.token}
        assert refusal(api.bare("GET", "recordings", headers=stale, params=query)) == BAD_CREDENTIAL
        bad = {"token": "stale"}
        assert refusal(api.bare("GET", "recordings", headers=good, params=bad)) == BAD_CREDENTIAL

    def test_a_stale_token_spoils_a_good_access_key(self, api: Api) -> None:
        key = {"accesskey": api.emulator.accesskey}
        for stale in ({"Cookie": "token=stale"}, {"Authorization": "Bearer stale"}):
            reply = api.bare("GET", "recordings", headers=stale, params=key)
            assert refusal(reply) == BAD_CREDENTIAL

    def test_a_login_outside_v1_gives_a_token_for_seven_days(self, api: Api) -> None:
        url = f"{api.emulator.origin}/auth/login"
        answer = api.http.post(url, json=api.emulator.login).json()
        assert answer["username"] == api.emulator.login["username"]
        headers = {"Authorization": f"Bearer {answer['token']}"}
        api.clock.advance(7 * DAY - SECOND)
        assert api.bare("GET", "recordings", headers=headers).status_code == 200
        api.clock.advance(SECOND)
        assert refusal(api.bare("GET", "recordings", headers=headers)) == BAD_CREDENTIAL

    def test_a_failed_login_is_a_bare_400(self, api: Api) -> None:
        url = f"{api.emulator.origin}/auth/login"
        for body in (b"{", b'{"username": "x", "password": "y"}'):
            reply = api.http.post(url, data=body)
            assert (reply.status_code, reply.content) == (400, b"")


class TestRequests:
    def test_every_answer_has_a_request_id(self, api: Api) -> None:
        for reply in (api("GET", "recordings"), api.bare("GET", "recordings"), api("GET", "x")):
            assert re.fullmatch(r"req_[A-Z2-7]{26}", reply.headers["X-Request-Id"])

    @pytest.mark.parametrize(
        ("given", "kept"), [("my-id_1", True), ("x" * 65, False), ("ä", False)]
    )
    def test_a_valid_one_of_the_clients_comes_back(self, api: Api, given: str, kept: bool) -> None:
        headers = {"X-Request-Id": given.encode()}
        reply = api("GET", "recordings", headers=headers)
        assert (reply.headers["X-Request-Id"] == given) is kept

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
    def test_what_is_not_registered_is_404(self, api: Api, method: str, path: str) -> None:
        assert refusal(api(method, path)) == (404, "NOT_FOUND", "ROUTE_NOT_FOUND")

    def test_head_is_not_registered(self, api: Api) -> None:
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
        ],
    )
    def test_an_id_must_be_a_uuid_and_known(self, api: Api, method: str, path: str) -> None:
        for bad in ("x", NIL):
            assert refusal(api(method, path.format(bad)))[2] == "INVALID_ID"
        assert refusal(api(method, path.format(UNKNOWN), json={}))[:2] == (404, "NOT_FOUND")

    def test_a_call_is_no_conference(self, api: Api) -> None:
        id = api.live(CALL).id
        reply = api("GET", f"conferences/{id}")
        assert refusal(reply) == (404, "NOT_FOUND", "CONFERENCE_NOT_FOUND")

    def test_the_rate_limit_says_when_to_come_back(self, api: Api) -> None:
        error = {"status": "RESOURCE_EXHAUSTED", "reason": "RATE_LIMIT_EXCEEDED"}
        api.emulator.faults.append(Reply.json({"error": error}, 429, Retry_After="3"))
        reply = api("GET", "recordings")
        assert (reply.status_code, reply.headers["Retry-After"]) == (429, "3")
        assert api("GET", "recordings").status_code == 200


class TestStarting:
    @KINDS
    def test_the_answer_is_the_session_and_names_the_recording(
        self, api: Api, kind: SessionKind
    ) -> None:
        target = api.live(kind)
        before = api.get(f"{kind}s/{target.id}")
        assert (before["recording_id"], "recording_ids" in before) == (NIL, False)
        answer = api.act(target, "start").json()
        assert (answer["id"], answer["status"]) == (target.id, "progressing")
        assert answer["recording_ids"] == [answer["recording_id"]]
        assert api.get(f"{kind}s/{target.id}") == answer
        assert api.ids()[0] == api.emulator.listed() == [answer["recording_id"]]

    def test_its_states_move_on_the_clock(self, api: Api) -> None:
        id = api.act(api.live(CALL), "start").json()["recording_id"]
        seen = [api.row(id)]
        for verb in (None, "stop", None):
            api.clock.advance(SECOND)
            if verb:
                api.act(api.live(CALL), verb)
            seen.append(api.row(id))
        assert [row["status"] for row in seen] == ["initiating", "recording", "stopping", "ended"]
        times = [{name for name in row if name.startswith("tm_")} for row in seen]
        begun = {"tm_create", "tm_start", "tm_update"}
        assert times == [{"tm_create"}, begun, begun, begun | {"tm_end"}]
        assert seen[1]["tm_update"] == seen[1]["tm_start"] == "2026-06-01T12:00:01Z"
        assert seen[3]["tm_update"] == seen[3]["tm_end"] == "2026-06-01T12:00:03Z"

    def test_on_the_wall_clock_it_records_at_once(self, clock: ManualClock) -> None:
        with VoIPBinEmulator(clock=clock, **VoIPBinEmulator.wall_clock) as emulator:
            api = Api(emulator, requests.Session(), clock)
            id = api.act(api.live(CALL), "start").json()["recording_id"]
            assert api.row(id)["status"] == "recording"
            api.act(api.live(CALL), "stop")
            assert api.row(id)["status"] == "ended"

    def test_a_row_has_these_fields_in_this_order(self, api: Api) -> None:
        row = api.row(api.recorded(CALL))
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
        assert (row["reference_type"], row["reference_id"]) == ("call", api.live(CALL).id)

    def test_a_conferences_recording_refers_to_its_confbridge(self, api: Api) -> None:
        target = api.live(CONFERENCE)
        row = api.row(api.recorded(CONFERENCE))
        assert row["reference_type"] == "confbridge"
        assert row["reference_id"] == api.emulator.reference_id(target) != target.id
        session = api.get(f"conferences/{target.id}")
        assert row["reference_id"] not in session.values()
        assert session["recording_ids"] == [row["id"]]

    @KINDS
    def test_all_parameters_are_optional_and_kept(self, api: Api, kind: SessionKind) -> None:
        flow = "11111111-2222-4333-8444-555555555555"
        told = {"format": "ogg", "on_end_flow_id": flow, "end_of_key": "#", "end_of_silence": 5}
        row = api.row(api.started(kind, **told))
        assert (row["format"], row["on_end_flow_id"]) == ("ogg", flow)

    def test_a_flow_that_is_no_uuid_becomes_none(self, api: Api) -> None:
        assert api.row(api.started(CALL, on_end_flow_id="later"))["on_end_flow_id"] == NIL

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"[]", b'"x"', b'{"duration": "60"}', b'{"duration": 1.5}', b'{"format": 1}'],
    )
    def test_a_body_of_another_shape_is_400(self, api: Api, body: bytes) -> None:
        path = f"calls/{api.live(CALL).id}/recording_start"
        reply = api("POST", path, data=body)
        assert refusal(reply) == (400, "INVALID_ARGUMENT", "INVALID_JSON_BODY")
        assert api("POST", path, data=b'{"duration": null, "more": 1}').status_code == 200

    @pytest.mark.parametrize(
        ("kind", "duration", "lasts"),
        [
            (CALL, 60, 60),
            (CALL, 100_000, 100_000),
            (CONFERENCE, 60, 60),
            (CONFERENCE, 100_000, 86_400),
        ],
    )
    def test_a_duration_ends_it_and_a_conference_is_cut_to_a_day(
        self, api: Api, kind: SessionKind, duration: int, lasts: int
    ) -> None:
        id = api.started(kind, duration=duration)
        api.clock.advance(timedelta(seconds=lasts - 1))
        assert api.row(id)["status"] == "recording"
        api.clock.advance(SECOND)
        assert api.row(id)["status"] == "ended"

    @KINDS
    def test_without_a_duration_it_has_no_end(self, api: Api, kind: SessionKind) -> None:
        id = api.started(kind, duration=0)
        api.clock.advance(6 * DAY)
        assert api.row(id)["status"] == "recording"


class TestTraps:
    """What a client has to know, and no page says: seen in the source."""

    def assert_zero(self, reply: requests.Response) -> None:
        assert reply.status_code == 200
        assert {reply.json()[name] for name in ("id", "recording_id", "customer_id")} == {NIL}
        assert "recording_ids" not in reply.json()

    def test_a_second_start_of_a_call_is_500(self, api: Api) -> None:
        id = api.started(CALL)
        assert refusal(api.act(api.live(CALL), "start")) == INTERNAL
        assert api.ids()[0] == [id]

    def test_a_second_start_of_a_conference_is_200_and_all_zeros(self, api: Api) -> None:
        id = api.started(CONFERENCE)
        self.assert_zero(api.act(api.live(CONFERENCE), "start"))
        assert api.ids()[0] == [id]

    def test_a_start_of_what_is_over_is_the_same(self, api: Api) -> None:
        for target in api.emulator.sessions:
            api.emulator.hang_up(target)
        assert refusal(api.act(api.live(CALL), "start")) == INTERNAL
        self.assert_zero(api.act(api.live(CONFERENCE), "start"))
        assert api.emulator.listed() == []

    def test_a_stop_of_nothing_is_all_zeros_for_a_call(self, api: Api) -> None:
        self.assert_zero(api.act(api.live(CALL), "stop"))
        api.recorded(CALL)
        self.assert_zero(api.act(api.live(CALL), "stop"))

    def test_a_stop_of_nothing_is_400_for_a_conference(self, api: Api) -> None:
        refused = (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")
        assert refusal(api.act(api.live(CONFERENCE), "stop")) == refused
        api.recorded(CONFERENCE)
        assert refusal(api.act(api.live(CONFERENCE), "stop")) == refused

    @pytest.mark.parametrize(
        ("kind", "status", "answer"),
        [
            (CALL, "hangup", INTERNAL),
            (CONFERENCE, "terminated", (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")),
        ],
    )
    def test_a_hang_up_ends_the_recording_and_a_stop_fails(
        self, api: Api, kind: SessionKind, status: str, answer: tuple[int, str, str]
    ) -> None:
        id = api.started(kind)
        api.clock.advance(7 * SECOND)
        target = api.live(kind)
        api.emulator.hang_up(target)
        row = api.row(id)
        assert (row["status"], row["tm_end"]) == ("ended", "2026-06-01T12:00:08Z")
        session = api.get(f"{kind}s/{target.id}")
        assert (session["status"], session["recording_id"]) == (status, id)
        assert refusal(api.act(target, "stop")) == answer

    @KINDS
    def test_what_ended_by_itself_blocks_the_next_start_until_a_stop(
        self, api: Api, kind: SessionKind
    ) -> None:
        target = api.live(kind)
        id = api.started(kind, duration=5)
        api.clock.advance(10 * SECOND)
        assert api.row(id)["status"] == "ended"
        assert api.get(f"{kind}s/{target.id}")["recording_id"] == id
        assert api.act(target, "start").json().get("recording_id", NIL) == NIL
        assert api.act(target, "stop").json()["recording_id"] == NIL
        assert api.started(kind) != id

    def test_that_stop_overwrites_ended_and_tm_end_stays(self, api: Api) -> None:
        id = api.started(CALL, duration=5)
        api.clock.advance(10 * SECOND)
        end = api.row(id)["tm_end"]
        api.act(api.live(CALL), "stop")
        api.clock.advance(HOUR)
        row = api.row(id)
        assert (row["status"], row["tm_end"]) == ("stopping", end)
        assert len(api.archive(id).namelist()) == 2

    def test_stopping_clears_the_session_at_once(self, api: Api) -> None:
        first = api.started(CALL)
        api.act(api.live(CALL), "stop")
        second = api.started(CALL)
        assert api.get(f"calls/{api.live(CALL).id}")["recording_ids"] == [first, second]

    def test_a_stop_before_it_began_waits_for_the_beginning(self, api: Api) -> None:
        id = api.act(api.live(CALL), "start").json()["recording_id"]
        api.act(api.live(CALL), "stop")
        assert api.row(id)["status"] == "stopping"
        api.clock.advance(2 * SECOND)
        row = api.row(id)
        assert row["status"] == "ended"
        assert (row["tm_start"], row["tm_end"]) == ("2026-06-01T12:00:01Z", "2026-06-01T12:00:02Z")

    def test_a_hang_up_before_it_began_leaves_nothing_to_hear(self, api: Api) -> None:
        id = api.act(api.live(CALL), "start").json()["recording_id"]
        api.emulator.hang_up(api.live(CALL))
        api.clock.advance(SECOND)
        row = api.row(id)
        assert row["tm_start"] == row["tm_end"] == "2026-06-01T12:00:01Z"
        api.clock.advance(api.emulator.processing)
        assert [file["filesize"] for file in api.files(id)] == [44, 44]

    def test_a_hang_up_after_its_end_changes_nothing(self, api: Api) -> None:
        row = api.row(api.recorded(CALL))
        api.clock.advance(HOUR)
        api.emulator.hang_up(api.live(CALL))
        assert api.row(row["id"]) == row

    @pytest.mark.parametrize("stuck", ["initiating", "recording"])
    def test_a_recording_that_failed_never_says_so(self, api: Api, stuck: Any) -> None:
        [id] = api.planted(5 * DAY, stuck=stuck)
        row = api.row(id)
        assert row["status"] == stuck
        assert "tm_end" not in row
        assert ("tm_start" in row) is (stuck == "recording")
        assert (api.archive(id).namelist(), api.files(id)) == ([], [])

    def test_a_planted_one_may_be_stuck_at_stopping(self, api: Api) -> None:
        [id] = api.planted(HOUR, stuck="stopping")
        assert api.row(id)["status"] == "stopping"
        assert "tm_end" in api.row(id)
        assert len(api.files(id)) == 2


class TestDeleting:
    def test_the_row_comes_back_once_more_and_is_gone(self, api: Api) -> None:
        [id] = api.planted(HOUR)
        reply = api("DELETE", f"recordings/{id}")
        assert reply.status_code == 200
        row = reply.json()
        assert row["tm_delete"] == row["tm_update"] == "2026-06-01T12:00:00Z"
        assert row["status"] == "ended"
        gone = (404, "NOT_FOUND", "RESOURCE_NOT_FOUND")
        assert refusal(api("GET", f"recordings/{id}")) == gone
        assert refusal(api("DELETE", f"recordings/{id}")) == gone
        assert refusal(api("GET", f"recordingfiles/{id}")) == gone
        assert api.ids() == [[]]
        assert api.emulator.listed() == []

    def test_its_files_go_later(self, api: Api) -> None:
        [id] = api.planted(HOUR)
        [file, _] = api.files(id)
        api("DELETE", f"recordings/{id}")
        assert len(api.files(id)) == 2
        api.clock.advance(api.emulator.processing)
        assert api.files(id) == []
        path = f"storage_files/{file['id']}"
        assert refusal(api("GET", path)) == (404, "NOT_FOUND", "RESOURCE_NOT_FOUND")

    def test_what_runs_can_be_deleted_and_runs_on(self, api: Api) -> None:
        id = api.started(CALL)
        assert api("DELETE", f"recordings/{id}").json()["status"] == "recording"
        assert api.get(f"calls/{api.live(CALL).id}")["recording_id"] == id
        assert api.act(api.live(CALL), "stop").status_code == 200

    def test_a_removed_one_was_never_there(self, api: Api) -> None:
        [id] = api.planted(HOUR)
        api.emulator.remove(id)
        unknown = (404, "NOT_FOUND", "RECORDING_NOT_FOUND")
        assert refusal(api("GET", f"recordings/{id}")) == unknown

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "recordings/"), ("DELETE", "recordings/"), ("GET", "recordingfiles/")],
    )
    def test_somebody_elses_is_403_and_not_listed(self, api: Api, method: str, path: str) -> None:
        [id] = api.planted(HOUR, foreign=True)
        assert refusal(api(method, path + id)) == FORBIDDEN
        assert api.ids() == [[]]
        assert (api.emulator.listed(), api.files(id)) == ([], [])


class TestListing:
    def test_newest_first_and_a_token_on_the_last_page_too(self, api: Api) -> None:
        ids = api.planted(*[n * HOUR for n in range(1, 6)])
        assert api.ids(page_size=2) == [ids[:2], ids[2:4], ids[4:], []]
        last = api.get("recordings", page_size=5)
        assert last["next_page_token"] == "2026-06-01T07:00:00.000000Z"
        empty = api.get("recordings", page_token=last["next_page_token"])
        assert empty == {"result": [], "next_page_token": ""}

    @pytest.mark.parametrize("size", ["0", "-1", "101", "100000", None])
    def test_a_size_out_of_range_silently_is_100(self, api: Api, size: str | None) -> None:
        api.planted(*[n * HOUR for n in range(1, 103)])
        assert len(api.get("recordings", page_size=size)["result"]) == 100

    @pytest.mark.parametrize("size", ["x", "1.5", "1_0", "١"])
    def test_a_size_that_is_no_integer_is_400(self, api: Api, size: str) -> None:
        reply = api("GET", "recordings", params={"page_size": size})
        assert refusal(reply) == (400, "INVALID_ARGUMENT", "INVALID_REQUEST_PARAMETER")

    @pytest.mark.parametrize("token", ["2026-06-01", "2026-06-01 00:00:00.5", "2026-06-01T00:00Z"])
    def test_any_date_is_a_token(self, api: Api, token: str) -> None:
        _, old = api.planted(HOUR, DAY)
        assert api.ids(page_token=token)[0] == [old]

    def test_a_token_that_is_no_date_breaks_it(self, api: Api) -> None:
        assert refusal(api("GET", "recordings", params={"page_token": "zz"})) == INTERNAL

    def test_rows_of_one_microsecond_at_a_pages_end_are_lost(self, api: Api) -> None:
        api.planted(HOUR, 2 * HOUR, 2 * HOUR, 3 * HOUR)
        assert [len(page) for page in api.ids(page_size=2)] == [2, 1, 0]

    def test_new_rows_do_not_disturb_it(self, api: Api) -> None:
        ids = api.planted(HOUR, 2 * HOUR, 3 * HOUR)
        token = api.get("recordings", page_size=2)["next_page_token"]
        api.planted(timedelta(minutes=1))
        assert api.ids(page_token=token)[0] == ids[2:]

    def test_there_is_no_filter(self, api: Api) -> None:
        ids = api.planted(HOUR, 2 * HOUR)
        found = api.ids(status="recording", reference_id=UNKNOWN, tm_create="2020-01-01")
        assert found[0] == ids


class TestTimes:
    @AGES
    def test_pages_lead_on_in_every_age(self, api: Api, age: Age) -> None:
        api.emulator.timestamps = age
        ids = api.planted(*[n * HOUR for n in range(1, 6)])
        assert api.ids(page_size=2) == [ids[:2], ids[2:4], ids[4:], []]

    @pytest.mark.parametrize(
        ("age", "create", "unset", "token"),
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
    def test_each_age_has_its_form_and_its_way_to_say_nothing(
        self, api: Api, age: Age, create: str, unset: str | None, token: str
    ) -> None:
        api.emulator.timestamps = age
        [id] = api.planted(DAY - timedelta(milliseconds=870), stuck="recording")
        row = api.row(id)
        assert row["tm_create"] == create
        assert ("tm_end" in row, "tm_delete" in row) == (unset is not None,) * 2
        assert (row.get("tm_end"), row.get("tm_delete")) == (unset, unset)
        assert api.get("recordings")["next_page_token"] == token

    def test_an_older_row_of_the_second_age_has_an_empty_tm_delete(self, api: Api) -> None:
        api.emulator.timestamps = "sentinel"
        [id] = api.planted(40 * DAY)
        assert api.row(id)["tm_delete"] == ""

    @pytest.mark.parametrize(
        ("microseconds", "fraction"),
        [(0, ""), (870_000, ".87"), (932_000, ".932"), (51, ".000051")],
    )
    def test_go_drops_the_zeros_at_the_end(
        self, api: Api, microseconds: int, fraction: str
    ) -> None:
        created = datetime(2026, 5, 1, 5, 31, 40, microseconds, tzinfo=UTC)
        assert api.row(api.emulator.add(created=created))["tm_create"] == (
            f"2026-05-01T05:31:40{fraction}Z"
        )

    def test_the_old_page_has_other_words(self, api: Api) -> None:
        api.emulator.reference_key = "type"
        api.emulator.conference_word = "conference"
        [id] = api.planted(HOUR, kind=CONFERENCE)
        row = api.row(id)
        assert row["type"] == "conference"
        assert "reference_type" not in row


class TestStorage:
    def test_a_row_names_the_recording_the_file_and_its_size(self, api: Api) -> None:
        id = api.recorded(CALL)
        api.clock.advance(api.emulator.processing)
        [out, in_] = api.files(id)
        call = api.live(CALL).id
        names = [f"call_{call}_2026-06-01T12:00:00Z_{leg}.wav" for leg in ("in", "out")]
        assert [in_["filename"], out["filename"]] == names
        assert in_["reference_type"] == "recording"
        assert in_["tm_update"] is in_["tm_delete"] is None
        assert api.get(f"storage_files/{in_['id']}") == in_
        # The clock of the server ran for eleven seconds; less is to be heard.
        assert in_["filesize"] == 44 + 2 * 8000 * 11 * 96 // 100

    def test_pages_are_those_of_recordings(self, api: Api) -> None:
        api.planted(HOUR, 2 * HOUR, kind=CONFERENCE)
        pages = api.pages("storage_files", page_size=1)
        assert [len(page) for page in pages] == [1, 1, 0]
        created = [row["tm_create"] for page in pages for row in page]
        assert created == sorted(created, reverse=True)
        reply = api("GET", "storage_files", params={"page_size": "x"})
        assert refusal(reply)[2] == "INVALID_REQUEST_PARAMETER"

    def test_a_single_file_can_be_had(self, api: Api) -> None:
        [id] = api.planted(HOUR)
        for row in api.files(id):
            reply = api("GET", f"storage_files/{row['id']}/file")
            assert reply.status_code == 307
            for url in (reply.headers["Location"], row["uri_download"]):
                media = requests.get(url)
                assert media.headers["Content-Type"] == "audio/wav"
                assert len(media.content) == row["filesize"]

    def test_the_url_in_a_row_is_dead_after_a_day(self, api: Api) -> None:
        [id] = api.planted(2 * DAY)
        for row in api.files(id):
            assert requests.get(row["uri_download"]).status_code == 403
            assert row["tm_download_expire"] < "2026-06-01"

    def test_it_may_be_forbidden_and_recordings_not(self, api: Api) -> None:
        [id] = api.planted(HOUR)
        [file, _] = api.files(id)
        api.emulator.storage_forbidden = True
        for path in ("storage_files", f"storage_files/{file['id']}"):
            assert refusal(api("GET", path)) == FORBIDDEN
        assert len(api.archive(id).namelist()) == 2

    def test_somebody_elses_file_is_403(self, api: Api) -> None:
        [id] = api.planted(HOUR)
        [file, _] = api.files(id)
        api.emulator._recordings[id].foreign = True
        assert refusal(api("GET", f"storage_files/{file['id']}")) == FORBIDDEN


class TestDownloading:
    def test_it_is_a_307_with_gos_page_and_a_signed_url(self, api: Api) -> None:
        [id] = api.planted(HOUR)
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
    def test_the_zip_has_one_wav_a_leg_as_storage_says(
        self, api: Api, kind: SessionKind, word: str, legs: list[str]
    ) -> None:
        id = api.recorded(kind)
        api.clock.advance(api.emulator.processing)
        reference = api.row(id)["reference_id"]
        stem = f"{word}_{reference}_2026-06-01T12:00:00Z"
        archive = api.archive(id)
        assert archive.namelist() == [f"{stem}_{leg}.wav" for leg in legs]
        sizes = {row["filename"]: row["filesize"] for row in api.files(id)}
        assert {each.filename: each.file_size for each in archive.infolist()} == sizes
        contents = [archive.read(name) for name in archive.namelist()]
        assert len(set(contents)) == len(legs)
        for content in contents:
            with wave.open(io.BytesIO(content)) as file:
                assert file.getparams()[:3] == (1, 2, 8000)
                assert file.getnframes() / 8000 == pytest.approx(0.96 * 11)

    def test_it_is_deflated_with_the_sizes_behind_each_entry(self, api: Api) -> None:
        [id] = api.planted(HOUR)
        for entry in api.archive(id).infolist():
            assert entry.compress_type == zipfile.ZIP_DEFLATED
            assert entry.flag_bits & 0x08

    def test_ended_comes_before_the_files(self, api: Api) -> None:
        id = api.recorded(CALL)
        assert api.row(id)["status"] == "ended"
        found, keys = [], []
        for _ in range(3):
            keys.append(urlsplit(api.signed_url(id)).path)
            found.append((len(api.archive(id).namelist()), len(api.files(id))))
            api.clock.advance(api.emulator.processing / 2)
        assert found == [(0, 0), (1, 1), (2, 2)]
        assert len(set(keys)) == 3

    def test_an_empty_archive_has_22_bytes_and_one_name(self, api: Api) -> None:
        for id in (api.started(CALL), api.recorded(CONFERENCE), *api.planted(DAY, stored=0)):
            url = api.signed_url(id)
            assert urlsplit(url).path.endswith(EMPTY)
            assert len(requests.get(url).content) == 22

    def test_a_leg_may_never_arrive(self, api: Api) -> None:
        [id] = api.planted(10 * DAY, stored=1)
        [name] = api.archive(id).namelist()
        assert name.endswith("_in.wav")
        assert [row["filename"] for row in api.files(id)] == [name]

    def test_a_zip_of_ones_own_can_be_planted(self, api: Api) -> None:
        [id] = api.planted(HOUR)
        api.emulator.zip_override = b"PK\x05\x06 hostile"
        assert requests.get(api.signed_url(id)).content == b"PK\x05\x06 hostile"

    def test_the_url_lives_for_a_day_and_another_can_be_had(self, api: Api) -> None:
        [id] = api.planted(HOUR)
        url = api.signed_url(id)
        api.clock.advance(DAY - SECOND)
        assert requests.get(url).status_code == 200
        api.clock.advance(SECOND)
        reply = requests.get(url)
        assert (reply.status_code, "<Code>ExpiredToken</Code>" in reply.text) == (403, True)
        assert reply.headers["Content-Type"].startswith("application/xml")
        assert requests.get(api.signed_url(id)).status_code == 200

    @pytest.mark.parametrize("add", ["&token=x", "&accesskey=x", "#", "0"])
    def test_the_signature_covers_the_query(self, api: Api, add: str) -> None:
        [id] = api.planted(HOUR)
        good = add == "#"  # a fragment is not sent
        assert (requests.get(api.signed_url(id) + add).status_code == 200) is good

    def test_the_signature_covers_the_path(self, api: Api) -> None:
        one, other = (api.signed_url(id) for id in api.planted(HOUR, 2 * HOUR))
        mixed = urlsplit(one)._replace(path=urlsplit(other).path).geturl()
        assert "SignatureDoesNotMatch" in requests.get(mixed).text
        assert requests.get(one.partition("?")[0]).status_code == 403

    def test_a_credential_is_judged_in_place_of_the_signature(self, api: Api) -> None:
        [id] = api.planted(HOUR)
        headers = {"Authorization": f"Bearer {api.emulator.token}"}
        assert requests.get(api.signed_url(id), headers=headers).status_code == 401

    def test_it_is_signed_for_get_alone(self, api: Api) -> None:
        [id] = api.planted(HOUR)
        assert requests.head(api.signed_url(id)).status_code == 403

    def test_a_part_can_be_asked_for(self, api: Api) -> None:
        [id] = api.planted(HOUR)
        whole = requests.get(api.signed_url(id))
        api.clock.advance(SECOND)
        headers = {"Range": "bytes=5-", "If-Range": whole.headers["ETag"]}
        part = requests.get(api.signed_url(id), headers=headers)
        assert (part.status_code, part.content) == (206, whole.content[5:])

    def test_the_archive_of_a_deleted_recording_is_still_there(self, api: Api) -> None:
        [id] = api.planted(HOUR)
        url = api.signed_url(id)
        api("DELETE", f"recordings/{id}")
        api.clock.advance(api.emulator.processing)
        assert requests.get(url).status_code == 200


class TestPastRecordings:
    @pytest.fixture
    def past(self, clock: ManualClock) -> Iterator[Api]:
        with VoIPBinEmulator(recordings=45, clock=clock) as emulator:
            yield Api(emulator, requests.Session(), clock)

    def test_there_are_as_many_as_asked_for_all_over_ninety_days(self, past: Api) -> None:
        rows = [row for page in past.pages(page_size=20) for row in page]
        assert [row["id"] for row in rows] == list(dict.fromkeys(row["id"] for row in rows))
        assert {row["id"] for row in rows} == set(past.emulator.listed())
        assert len(rows) == 45
        created = [datetime.fromisoformat(row["tm_create"]) for row in rows]
        assert created == sorted(created, reverse=True)
        now = past.clock.now()
        assert timedelta(0) < now - created[0] < DAY
        assert 85 * DAY < now - created[-1] < 90 * DAY
        assert {row["status"] for row in rows} == {"ended"}
        assert {row["reference_type"] for row in rows} == {"call", "confbridge"}
        assert len({len(row["tm_create"]) for row in rows}) >= 3

    def test_all_are_stored_but_two_older_ones(self, past: Api) -> None:
        ids = [id for page in past.ids() for id in page]
        named = [row["reference_id"] for page in past.pages("storage_files") for row in page]
        empty = [id for id in ids if id not in named]
        assert len(empty) == 2
        assert not set(empty) & set(ids[:20])
        assert all(past.archive(id).namelist() == [] for id in empty)
        assert len(past.archive(ids[0]).namelist()) == 2
        assert named.count(NIL) == 2, "what was uploaded lies among them"

    def test_a_conference_joins_its_recordings(self, past: Api) -> None:
        target = past.live(CONFERENCE)
        joined = past.get(f"conferences/{target.id}")["recording_ids"]
        reference = past.emulator.reference_id(target)
        assert len(joined) > 1
        assert {past.row(id)["reference_id"] for id in joined} == {reference}

    def test_a_past_call_is_hung_up_and_never_learned_that_its_recording_ended(
        self, past: Api
    ) -> None:
        row = next(row for page in past.pages() for row in page if row["reference_type"] == "call")
        call = past.get(f"calls/{row['reference_id']}")
        assert (call["status"], call["recording_id"]) == ("hangup", row["id"])

    def test_the_same_seed_makes_the_same_ones(self, clock: ManualClock) -> None:
        def made(seed: int) -> list[str]:
            with VoIPBinEmulator(recordings=9, clock=clock, seed=seed) as emulator:
                ids = [session.id for session in emulator.sessions]
                return [*emulator.listed(), *ids, emulator.token, emulator.accesskey]

        assert made(1) == made(1)
        assert not set(made(1)) & set(made(2))
