"""Is it Plivo that called, and what did it say? Vectors, its client's verdict, and webhook_requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from plivo.exceptions import ValidationError
from plivo.utils import validate_signature
from plivo.utils.signature_v3 import (
    construct_get_url,
    construct_post_url,
    get_signature_v3,
    validate_v3_signature,
)

import recording_core as rec
from recording_core.plugins.registry import load_object, provider_info
from recording_core.testing.fuzz import webhook_requests
from recording_plivo.webhooks import PlivoWebhooks

SCHEME = PlivoWebhooks()
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

# Worked out by the vendor's own client and, apart from it, by hand.
TOKEN = "0123456789abcdef0123456789abcdef01234567"
NONCE = "05429567804466091622"
URL = "https://hooks.example.com/plivo/recording"
ID = "2ee66bce-35e3-11eb-911a-027798047064"
RECORD_URL = f"https://media.plivo.com/v1/Account/MAXXXXXXXXXXXXXXXXXX/Recording/{ID}.mp3"
# https://www.plivo.com/docs/voice/api/conferences
OF_A_CONFERENCE = {
    "api_id": "2ed79ba5-35e3-11eb-83e5-0242ac110006",
    "conference_name": "My Conf Room",
    "record_url": RECORD_URL,
    "recording_duration": "7",
    "recording_duration_ms": "7560.00000",
    "recording_end_ms": "1649759930398.00000",
    "recording_id": ID,
    "recording_start_ms": "1649759922838.00000",
}
STARTED_AT = datetime(2022, 4, 12, 10, 38, 42, 838000, tzinfo=UTC)
ENDED_AT = datetime(2022, 4, 12, 10, 38, 50, 398000, tzinfo=UTC)
OF_A_CALL = {
    **{name: value for name, value in OF_A_CONFERENCE.items() if name != "conference_name"},
    "call_uuid": "f72eea2a-ba4e-11ec-8a4e-0242ac110005",
}
# https://www.plivo.com/docs/voice/xml/record, with what a user was really sent beside it
OF_XML = {
    "Digits": "#",
    "Direction": "inbound",
    "RecordUrl": RECORD_URL,
    "RecordFile": RECORD_URL,
    "RecordingID": ID,
    "RecordingDuration": "7",
    "RecordingDurationMs": "7560",
    "RecordingStartMs": "1649759922838",
    "RecordingEndMs": "1649759930398",
    "CallUUID": "f72eea2a-ba4e-11ec-8a4e-0242ac110005",
    "From": "+12025550100",
    "To": "12025550199",
    "CallStatus": "in-progress",
    "Event": "Redirect",
    "BillRate": "0.0085",
    "SIP-H-To": "<sip:agent@phone.plivo.com>;tag=1",
}
# https://www.plivo.com/docs/voice/api/multiparty-calls
OF_A_MEETING = {
    "EventName": "MPCRecordingCompleted",
    "EventTimestamp": "2022-04-12 16:08:52+05:30",
    "MPCName": "Weekly Review",
    "MPCUUID": "6c9a2b2e-1c2d-4f3a-8b5e-111111111111",
    "RecordingDuration": "8",
    "RecordingStartTime": "2022-04-12 16:08:42+05:30",
    "RecordingEndTime": "2022-04-12 16:08:50+05:30",
    "RecordingFormat": "mp3",
    "RecordingURL": RECORD_URL,
    "RecordingResourceURL": f"https://api.plivo.com/v1/Account/MAXX/Recording/{ID}/",
    "RecordingUUID": ID,
    "SequenceNumber": "7",
}
TRANSCRIPT = {
    "transcription_charge": "0.05",
    "transcription": "Hello, world. recording_id and all.",
    "duration": "7",
    "call_uuid": "f72eea2a-ba4e-11ec-8a4e-0242ac110005",
    "transcription_rate": "0.05",
    "recording_id": ID,
    "error": "",
}
SAMPLES = (OF_A_CONFERENCE, OF_A_CALL, OF_XML, OF_A_MEETING, TRANSCRIPT)


def request(
    told: Mapping[str, Any] | bytes,
    *signatures: str,
    url: str = URL,
    nonce: str = NONCE,
    header: str = "X-Plivo-Signature-V3",
    as_json: bool = False,
) -> rec.WebhookRequest:
    if isinstance(told, bytes):
        body = told
    else:
        body = (json.dumps(told) if as_json else urlencode(told, doseq=True)).encode()
    kind = "application/json" if as_json else "application/x-www-form-urlencoded"
    headers = [("Content-Type", kind), ("X-Plivo-Signature-V3-Nonce", nonce)]
    headers += [(header, each) for each in signatures]
    return rec.WebhookRequest("POST", url, headers, body)


def by_get(told: Mapping[str, Any], *signatures: str, nonce: str = NONCE) -> rec.WebhookRequest:
    headers = [("X-Plivo-Signature-V3-Nonce", nonce)]
    headers += [("X-Plivo-Signature-V3", each) for each in signatures]
    return rec.WebhookRequest("GET", f"{URL}?{urlencode(told, quote_via=quote)}", headers)


def signature(told: Mapping[str, Any], *, url: str = URL, token: str = TOKEN) -> str:
    """By the vendor's own client."""
    signed: bytes = get_signature_v3(
        token.encode(), construct_post_url(url, dict(told)).decode(), NONCE.encode()
    )
    return signed.decode()


def passes(given: rec.WebhookRequest, *tokens: str, allow_v2: bool = False) -> bool:
    try:
        SCHEME.verify(given, tokens or (TOKEN,), now=NOW, allow_v2=allow_v2)
    except rec.WebhookRejected:
        return False
    return True


def status_of_refusal(given: rec.WebhookRequest) -> int:
    return webhook_requests.refusal(SCHEME, given, [TOKEN], NOW)[0]


def event_of(told: Mapping[str, Any], **how: Any) -> rec.RecordingEvent:
    (event,) = SCHEME.parse(request(told, **how), account="default", now=NOW)
    return event


def test_the_plugin_names_the_scheme() -> None:
    assert load_object(provider_info("plivo"), "webhooks") is PlivoWebhooks


class TestVerifying:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("?tenant=acme&a=1", "EtWL7MK9MDazyzFWqqBkrxnovnnm56qtiKNgzFCNqvg="),
            ("", "6ANXrB/4iLrzQK38JQqN/Ms/3wUZJe6xlffEXM/X6GU="),
        ],
    )
    def test_worked_vectors_of_a_post_pass(self, query: str, expected: str) -> None:
        assert passes(request(OF_A_CONFERENCE, expected, url=URL + query))

    def test_a_worked_vector_of_a_get_passes(self) -> None:
        given = rec.WebhookRequest(
            "GET",
            f"{URL}?recording_id=r1&api_id=a1&z=&b=hello%20world",
            {
                "X-Plivo-Signature-V3": "tdGBJD/GssYJjx0lPYgk55RajQROgv+37RZeDmmGHW8=",
                "X-Plivo-Signature-V3-Nonce": "98765",
            },
        )
        assert passes(given)

    @pytest.mark.parametrize("header", ["X-Plivo-Signature-V3", "x-plivo-signature-ma-v3"])
    def test_the_account_or_the_main_account_may_have_signed(self, header: str) -> None:
        assert passes(request(OF_A_CALL, signature(OF_A_CALL), header=header))

    def test_both_headers_are_looked_at(self) -> None:
        given = request(OF_A_CALL, signature(OF_A_CALL, token="a subaccount's"))
        more = (*given.headers, ("X-Plivo-Signature-Ma-V3", signature(OF_A_CALL)))
        assert not passes(given)
        assert passes(evolve(given, headers=more))

    def test_of_several_signatures_one_is_enough(self) -> None:
        right, wrong = signature(OF_A_CALL), signature(OF_A_CALL, token="an older one")
        assert passes(request(OF_A_CALL, f"{wrong},{right}"))
        assert passes(request(OF_A_CALL, f"{wrong}, {right}"))
        assert passes(request(OF_A_CALL, wrong, right))
        assert not passes(request(OF_A_CALL, f"{wrong},{wrong}"))

    def test_of_several_tokens_one_is_enough_so_that_they_can_be_changed(self) -> None:
        assert passes(request(OF_A_CALL, signature(OF_A_CALL)), "a newer one", TOKEN)

    def test_values_that_are_not_ascii_pass(self) -> None:
        told = {**OF_A_CONFERENCE, "conference_name": "Zürich – 日本 🎧"}
        assert passes(request(told, signature(told)))

    def test_values_of_a_get_that_are_not_ascii_pass(self) -> None:
        # The vendor's client cannot read such a query; it is written in UTF-8, as forms are.
        told = {"conference_name": "Zürich", "recording_id": "r1"}
        message = f"{URL}?conference_name=Zürich&recording_id=r1.{NONCE}".encode()
        digest = hmac.new(TOKEN.encode(), message, hashlib.sha256).digest()
        assert passes(by_get(told, base64.b64encode(digest).decode()))

    def test_repeated_and_empty_parameters_are_signed_as_the_vendors_client_does(self) -> None:
        told = {"b": ["2", "10", ""], "a": "", "ab": "c"}
        assert passes(request(told, signature(told)))

    def test_json_is_signed_as_if_it_were_a_form(self) -> None:
        told = {**OF_A_CALL, "n": 7, "f": 0.5, "nested": {"b": 1, "a": ["y", "x"]}, "t": True}
        assert passes(request(told, signature(told), as_json=True))
        assert not passes(request({**told, "n": 8}, signature(told), as_json=True))

    def test_json_without_parameters_in_the_signature_is_refused(self) -> None:
        assert not passes(request(OF_A_CALL, signature({}), as_json=True))

    @pytest.mark.parametrize(
        "nonce", ["", " ", "1.2", "00000.05429567804466091622", "ü", "1\n", "1, 2", "9" * 200]
    )
    def test_a_nonce_without_its_form_is_refused(self, nonce: str) -> None:
        signed = get_signature_v3(
            TOKEN.encode(), construct_post_url(URL, dict(OF_A_CALL)).decode(), nonce.encode()
        )
        assert status_of_refusal(request(OF_A_CALL, signed.decode(), nonce=nonce)) == 400

    def test_the_end_of_the_parameters_cannot_move_into_the_nonce(self) -> None:
        # Both requests have the same signature, since it has no boundaries.
        signed = signature(OF_A_CONFERENCE)
        moved = {**OF_A_CONFERENCE, "recording_start_ms": "1649759922838"}
        assert not passes(request(moved, signed, nonce=f"00000.{NONCE}"))

    def test_without_nonce_or_signature_it_is_no_callback(self) -> None:
        given = request(OF_A_CALL, signature(OF_A_CALL))
        for name in ("X-Plivo-Signature-V3", "X-Plivo-Signature-V3-Nonce"):
            assert status_of_refusal(webhook_requests.replaced(given, name)) == 400

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", ""])
    def test_other_methods_than_get_and_post_are_refused(self, method: str) -> None:
        given = evolve(request(OF_A_CALL, signature(OF_A_CALL)), method=method)
        assert status_of_refusal(given) == 400

    @pytest.mark.parametrize("token", ["", " ", "\t\n"])
    def test_a_blank_token_verifies_nothing(self, token: str) -> None:
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(request(OF_A_CALL, signature(OF_A_CALL, token=token)), [token], now=NOW)
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(request(OF_A_CALL, signature(OF_A_CALL)), [], now=NOW)

    @pytest.mark.parametrize(
        "value", webhook_requests.HEADERS.values(), ids=webhook_requests.HEADERS
    )
    def test_junk_in_the_header_is_refused_at_once(self, value: str) -> None:
        status, seconds = webhook_requests.refusal(SCHEME, request(OF_A_CALL, value), [TOKEN], NOW)
        assert status in (400, 401)
        assert seconds < 0.01

    @pytest.mark.parametrize(
        "body",
        [
            b"a=" + b"%41" * 300_000,
            b"a=" + b"x" * 1_000_000,
            b"&" * 1_000_000,
            b"a=1&" * 900,
            b'{"a":[' + b"[]," * 300_000 + b"1]}",
            b'{"a":[' + b"[]," * 20_000 + b"1]}",
            b'{"a":[' + b"1," * 30_000 + b"1]}",
            b'{"a":' * 10_000,
        ],
        ids=["escapes", "long", "ampersands", "many", "much JSON", "JSON", "numbers", "deep"],
    )
    def test_what_has_to_be_decoded_for_a_stranger_is_little(self, body: bytes) -> None:
        given = request(body, signature(OF_A_CALL))
        status, seconds = webhook_requests.refusal(SCHEME, given, [TOKEN], NOW)
        assert status in (400, 401)
        assert seconds < 0.01

    @pytest.mark.parametrize("url", ["", "hooks", "https://[", "https://h/\udce9", "//", "?a=%ff"])
    def test_a_url_that_is_none_is_refused(self, url: str) -> None:
        assert status_of_refusal(request(OF_A_CALL, signature(OF_A_CALL), url=url)) in (400, 401)

    def test_base64_that_is_written_otherwise_is_no_signature(self) -> None:
        right = signature(OF_A_CALL)
        # Of the last character two bits stand for nothing.
        loose = f"{right[:-2]}{chr(ord(right[-2]) + 1)}="
        assert base64.b64decode(loose) == base64.b64decode(right)
        for value in (loose, right.rstrip("="), f"{right}=", f"{right[:9]}\n{right[9:]}"):
            assert status_of_refusal(request(OF_A_CALL, value)) in (400, 401), value

    @settings(max_examples=400, deadline=None)
    @given(data=st.data())
    def test_every_bit_that_changes_a_signed_value_is_refused(self, data: st.DataObject) -> None:
        told = data.draw(st.sampled_from(SAMPLES))
        given = request(told, signature(told))
        forged = evolve(given, body=data.draw(webhook_requests.flipped_bits(given.body)))
        try:
            same = _told(forged) == _told(given)  # such as %2F and %2f
        except ValueError:
            same = False
        assert passes(forged) is same

    def test_every_bit_of_the_signature_and_of_the_nonce_counts(self) -> None:
        for text, header in ((signature(OF_A_CALL), "V3"), (NONCE, "V3-Nonce")):
            for bit in range(8 * len(text)):
                value = bytearray(text.encode())
                value[bit // 8] ^= 1 << bit % 8
                given = request(OF_A_CALL, signature(OF_A_CALL))
                name = f"X-Plivo-Signature-{header}"
                forged = webhook_requests.replaced(given, name, value.decode("latin-1"))
                assert status_of_refusal(forged) in (400, 401)

    @settings(max_examples=300, deadline=None)
    @given(
        signed=webhook_requests.texts(),
        nonce=webhook_requests.texts(),
        body=st.binary(),
        url=st.text(),
    )
    def test_whatever_strangers_send_only_a_refusal_comes_of_it(
        self, signed: str, nonce: str, body: bytes, url: str
    ) -> None:
        assert status_of_refusal(request(body, signed, nonce=nonce, url=url)) in (400, 401)


class TestVersion2:
    SIGNED = base64.b64encode(
        hmac.new(TOKEN.encode(), (URL + NONCE).encode(), hashlib.sha256).digest()
    ).decode()

    def given(self, told: Mapping[str, Any] = OF_A_CALL) -> rec.WebhookRequest:
        headers = {
            "X-Plivo-Signature-V2": self.SIGNED,
            "X-Plivo-Signature-V2-Nonce": NONCE,
        }
        return evolve(request(told), headers=headers, url=f"{URL}?tenant=acme")

    def test_it_counts_only_where_it_is_allowed(self) -> None:
        assert validate_signature(URL, NONCE, self.SIGNED, TOKEN)
        assert status_of_refusal(self.given()) == 400
        assert passes(self.given(), allow_v2=True)

    def test_it_does_not_help_where_version_3_is_wrong(self) -> None:
        more = (
            ("X-Plivo-Signature-V3", signature(OF_A_CONFERENCE)),
            ("X-Plivo-Signature-V3-Nonce", NONCE),
        )
        given = self.given()
        given = evolve(given, headers=(*given.headers, *more))
        assert not passes(given, allow_v2=True)

    def test_another_url_or_nonce_is_refused_there_too(self) -> None:
        assert not passes(evolve(self.given(), url=f"{URL}/other"), allow_v2=True)
        nonced = webhook_requests.replaced(self.given(), "X-Plivo-Signature-V2-Nonce", "1")
        assert not passes(nonced, allow_v2=True)


class TestTheOfficialClientAgrees:
    """Its `validate_v3_signature` and ours, on requests that are well-formed."""

    def test_on_ten_thousand_generated_requests(self) -> None:
        chance = random.Random(3)
        verdicts = {True: 0, False: 0}
        for _ in range(10_000):
            method, url, told, token, nonce = _generated(chance)
            signed = _signed_by_the_client(method, url, told, token, nonce)
            header = _as_sent(chance, signed)
            # Now and then something else arrives than what was signed.
            url, told, nonce = _changed(chance, url, told, nonce)
            theirs = validate_v3_signature(method, url, nonce, token, header, dict(told))
            if method == "GET":
                given = evolve(request({}, header, url=url, nonce=nonce), method="GET", body=b"")
            else:
                given = request(told, header, url=url, nonce=nonce)
            assert passes(given, token) is theirs, (method, url, told, nonce, header)
            verdicts[theirs] += 1
        assert min(verdicts.values()) > 2000

    def test_but_for_a_token_that_is_empty(self) -> None:
        signed = signature(OF_A_CALL, token="")
        assert validate_v3_signature("POST", URL, NONCE, "", signed, dict(OF_A_CALL))
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(request(OF_A_CALL, signed), [""], now=NOW)

    def test_but_for_a_nonce_with_a_dot(self) -> None:
        moved = {**OF_A_CONFERENCE, "recording_start_ms": "1649759922838"}
        signed, nonce = signature(OF_A_CONFERENCE), f"00000.{NONCE}"
        assert validate_v3_signature("POST", URL, nonce, TOKEN, signed, dict(moved))
        assert not passes(request(moved, signed, nonce=nonce))

    def test_but_for_more_than_sixteen_signatures(self) -> None:
        many = ",".join([signature(OF_A_CALL)] * 17)
        assert validate_v3_signature("POST", URL, NONCE, TOKEN, many, dict(OF_A_CALL))
        assert not passes(request(OF_A_CALL, many))

    def test_but_for_more_parameters_and_escapes_than_a_callback_has(self) -> None:
        for told in ({f"n{i}": "" for i in range(1001)}, {"a": "," * 5001}):
            signed = signature(told)
            assert validate_v3_signature("POST", URL, NONCE, TOKEN, signed, dict(told))
            assert not passes(request(told, signed))

    def test_but_for_a_space_beside_the_comma_and_a_query_that_is_not_ascii(self) -> None:
        # Where a header comes twice, HTTP joins the two by a comma and a space.
        twice = f"{signature(OF_A_CALL, token='another')}, {signature(OF_A_CALL)}"
        assert not validate_v3_signature("POST", URL, NONCE, TOKEN, twice, dict(OF_A_CALL))
        assert passes(request(OF_A_CALL, twice))
        with pytest.raises(UnicodeEncodeError):
            validate_v3_signature("GET", f"{URL}?a=%C3%BC", NONCE, TOKEN, twice)
        with pytest.raises(ValidationError):
            validate_v3_signature("PUT", URL, NONCE, TOKEN, twice)


def _told(given: rec.WebhookRequest) -> Any:
    pairs = parse_qsl(given.body.decode(), keep_blank_values=True, errors="strict")
    return "".join(name + value for name, value in sorted(pairs))


_WORDS = (
    "",
    "a",
    "b",
    "A",
    "7",
    "hello world",
    "My Conf/Room?x#y",
    "Zürich",
    "日本",
    "=",
    "&",
    ".",
)
_ASCII = tuple(word for word in _WORDS if word.isascii())


def _generated(chance: random.Random) -> tuple[str, str, dict[str, Any], str, str]:
    method = chance.choice(("GET", "POST", "POST"))
    query = [(chance.choice("abAB"), chance.choice(_ASCII)) for _ in range(chance.randrange(4))]
    if method == "GET":
        query += [(name, chance.choice(_ASCII)) for name in ("recording_id", "api_id")]
        chance.shuffle(query)
    port, path = chance.choice(("", ":8443")), chance.choice(("", "/", "/x", "/x/y%20z/", "/x;v=1"))
    url = f"https://hooks.example.com{port}{path}"
    if query:
        url += "?" + urlencode(query, quote_via=chance.choice((quote, quote_plus)))
    told: dict[str, Any] = {}
    if method == "POST":
        for name in chance.sample(("recording_id", "record_url", "B", "b", "ü", "a.b", ""), 4):
            values = [chance.choice(_WORDS) for _ in range(chance.choice((0, 1, 1, 1, 3)))]
            if values and name:
                told[name] = values if len(values) > 1 else values[0]
    token = "".join(chance.choices("0123456789abcdef", k=40))
    nonce = "".join(chance.choices("0123456789", k=20))
    return method, url, told, token, nonce


def _signed_by_the_client(
    method: str, url: str, told: Mapping[str, Any], token: str, nonce: str
) -> str:
    build = construct_get_url if method == "GET" else construct_post_url
    signed: bytes = get_signature_v3(
        token.encode(), build(url, dict(told)).decode(), nonce.encode()
    )
    return signed.decode()


def _as_sent(chance: random.Random, signed: str) -> str:
    other = base64.b64encode(chance.randbytes(32)).decode()
    return chance.choice(
        (signed, signed, signed, f"{other},{signed}", f"{signed},{other}", other, signed.lower())
    )


def _changed(
    chance: random.Random, url: str, told: dict[str, Any], nonce: str
) -> tuple[str, dict[str, Any], str]:
    match chance.randrange(8):
        case 0:
            url += "&a=2" if "?" in url else "?a=2"
        case 1:
            url = url.replace("hooks", "other")
        case 2:
            nonce = nonce[::-1]
        case 3 if told:
            told = {**told, chance.choice(list(told)): chance.choice(_WORDS)}
    return url, told, nonce


class TestReading:
    def test_a_callback_of_a_conference_reads_in_full(self) -> None:
        event = event_of(OF_A_CONFERENCE)
        assert event == rec.RecordingEvent(
            provider="plivo",
            account="default",
            kind=rec.EventKind.AVAILABLE,
            recording_id=ID,
            target=rec.conference("My Conf Room"),
            recording=event.recording,
            status=rec.RecordingStatus.AVAILABLE,
            occurred_at=ENDED_AT,
            delivery_id=NONCE,
            key=f"plivo/default/{ID}/available",
            trusted=False,
        )
        assert event.raw == OF_A_CONFERENCE
        seen = event.recording
        assert seen is not None
        assert (seen.started_at, seen.ended_at) == (STARTED_AT, ENDED_AT)
        assert seen.duration == timedelta(milliseconds=7560)
        assert (seen.kind, seen.format) == (rec.SessionKind.CONFERENCE, "mp3")
        assert [file.url for file in seen.files] == [RECORD_URL]

    def test_a_callback_of_a_call_names_the_call(self) -> None:
        event = event_of(OF_A_CALL)
        assert event.target == rec.call("f72eea2a-ba4e-11ec-8a4e-0242ac110005")
        assert event.key == f"plivo/default/{ID}/available"

    def test_xml_has_names_of_its_own_for_the_same(self) -> None:
        event, other = event_of(OF_XML), event_of(OF_A_CALL)
        assert event.key == other.key
        assert event.target == other.target
        assert event.recording == other.recording
        assert (event.kind, event.occurred_at) == (rec.EventKind.AVAILABLE, ENDED_AT)

    def test_durations_of_minus_one_are_a_recording_that_has_begun(self) -> None:
        names = ("RecordingDuration", "RecordingDurationMs", "RecordingStartMs", "RecordingEndMs")
        event = event_of({**OF_XML, **dict.fromkeys(names, "-1")})
        assert (event.kind, event.status) == (
            rec.EventKind.STARTED,
            rec.RecordingStatus.RECORDING,
        )
        assert event.key == f"plivo/default/{ID}/started"
        assert event.recording is not None
        assert (event.recording.duration, event.recording.files) == (None, ())
        assert event.occurred_at is None

    def test_seconds_count_where_milliseconds_are_missing(self) -> None:
        told = {**OF_XML, "RecordingDurationMs": "-1", "RecordingDuration": "-1"}
        del told["RecordingDurationMs"]
        told["RecordingDuration"] = "8"
        event = event_of(told)
        assert event.recording is not None
        assert event.recording.duration == timedelta(seconds=8)

    def test_a_recording_of_no_length_is_available(self) -> None:
        told = {**OF_A_CALL, "recording_duration": "0", "recording_duration_ms": "0"}
        event = event_of(told)
        assert event.kind is rec.EventKind.AVAILABLE
        assert event.recording is not None
        assert event.recording.duration == timedelta(0)

    def test_a_multiparty_call_names_its_event_and_its_meeting(self) -> None:
        event = event_of(OF_A_MEETING)
        assert (event.kind, event.status) == (
            rec.EventKind.AVAILABLE,
            rec.RecordingStatus.AVAILABLE,
        )
        assert event.target == rec.meeting("Weekly Review")
        assert event.occurred_at == datetime(2022, 4, 12, 10, 38, 52, tzinfo=UTC)
        seen = event.recording
        assert seen is not None
        assert seen.kind is rec.SessionKind.MEETING
        assert seen.reference == OF_A_MEETING["MPCUUID"]
        assert seen.provider_status == "MPCRecordingCompleted"
        assert seen.duration == timedelta(seconds=8)
        assert seen.started_at == STARTED_AT.replace(microsecond=0)

    @pytest.mark.parametrize(
        ("word", "kind", "status"),
        [
            ("RecordingInitiated", rec.EventKind.STARTED, rec.RecordingStatus.RECORDING),
            ("RecordingPaused", rec.EventKind.PAUSED, rec.RecordingStatus.PAUSED),
            ("RecordingResumed", rec.EventKind.RESUMED, rec.RecordingStatus.RECORDING),
            ("RecordingCompleted", rec.EventKind.AVAILABLE, rec.RecordingStatus.AVAILABLE),
            ("RecordingFailed", rec.EventKind.FAILED, rec.RecordingStatus.FAILED),
            ("RecordingSealed", rec.EventKind.UPDATED, rec.RecordingStatus.UNKNOWN),
        ],
    )
    @pytest.mark.parametrize("subject", ["MPC", "Participant", "Session"])
    def test_each_event_has_its_fact(
        self, subject: str, word: str, kind: rec.EventKind, status: rec.RecordingStatus
    ) -> None:
        event = event_of({**OF_A_MEETING, "EventName": subject + word, "MemberID": "17"})
        assert (event.kind, event.status) == (kind, status)
        assert event.recording is not None
        assert event.recording.provider_status == subject + word

    def test_pauses_are_told_apart_by_their_number_and_a_start_has_none(self) -> None:
        paused = {**OF_A_MEETING, "EventName": "MPCRecordingPaused"}
        assert event_of(paused).key == f"plivo/default/{ID}/paused/7"
        assert event_of({**paused, "SequenceNumber": "9"}).key != event_of(paused).key
        by_time = {name: value for name, value in paused.items() if name != "SequenceNumber"}
        assert event_of(by_time).key.endswith("/paused/2022-04-12%2016:08:52%2B05:30")
        del by_time["EventTimestamp"]
        assert event_of(by_time).key == event_of(by_time).key != event_of(paused).key
        begun = {**OF_A_MEETING, "EventName": "MPCRecordingInitiated"}
        assert event_of(begun).key == f"plivo/default/{ID}/started"

    def test_a_participants_recording_is_a_track_of_that_participant(self) -> None:
        event = event_of(
            {**OF_A_MEETING, "EventName": "ParticipantRecordingCompleted", "MemberID": "17"}
        )
        assert event.recording is not None
        (file,) = event.recording.files
        assert (file.role, file.participant) == (rec.FileRole.TRACK, "17")

    def test_a_meeting_is_named_as_start_would_take_it(self) -> None:
        name = "name_of_the_rose"
        assert event_of({**OF_A_MEETING, "MPCName": name}).target == rec.meeting(f"name_{name}")
        told = {key: value for key, value in OF_A_MEETING.items() if key != "MPCName"}
        assert event_of(told).target == rec.meeting(OF_A_MEETING["MPCUUID"])

    def test_a_transcript_updates_and_says_nothing_of_a_failure(self) -> None:
        for error in ("", "Recording duration too long for transcription"):
            event = event_of({**TRANSCRIPT, "error": error})
            assert (event.kind, event.status) == (
                rec.EventKind.UPDATED,
                rec.RecordingStatus.AVAILABLE,
            )
            assert event.recording is None
            assert event.recording_id == ID
            assert event.raw["transcription"] == TRANSCRIPT["transcription"]

    def test_what_is_sent_again_otherwise_arranged_has_the_same_key(self) -> None:
        key = event_of(TRANSCRIPT).key
        assert event_of(dict(reversed(TRANSCRIPT.items()))).key == key
        assert event_of(TRANSCRIPT, as_json=True).key == key
        assert event_of(TRANSCRIPT, nonce="1").key == key
        assert event_of({**TRANSCRIPT, "transcription": "another"}).key != key
        assert event_of(TRANSCRIPT, url=f"{URL}?tenant=2").key != key

    def test_a_get_says_the_same_as_a_post(self) -> None:
        (event,) = SCHEME.parse(by_get(OF_A_CONFERENCE), account="default", now=NOW)
        assert event == event_of(OF_A_CONFERENCE)

    def test_json_says_the_same_as_a_form(self) -> None:
        told = {**OF_A_CONFERENCE, "recording_duration": 7, "recording_duration_ms": 7560.0}
        assert event_of(told, as_json=True) == evolve(event_of(OF_A_CONFERENCE))

    def test_json_in_a_field_of_the_form_is_unwrapped(self) -> None:
        told = {"response": json.dumps({**OF_A_CONFERENCE, "message": "record done"})}
        assert event_of(told).recording == event_of(OF_A_CONFERENCE).recording

    @pytest.mark.parametrize(
        "told",
        [
            {"Event": "Hangup", "CallUUID": "f72eea2a", "CallStatus": "completed"},
            {"EventName": "MPCStarted", "MPCUUID": "6c9a2b2e"},
            {"message": "async api spawned", "api_id": "1"},
            {},
        ],
    )
    def test_a_callback_of_something_else_is_none_of_ours(self, told: Any) -> None:
        assert SCHEME.parse(request(told), account="default", now=NOW) == ()

    def test_an_id_alone_is_an_update_of_unknown_status(self) -> None:
        event = event_of({"recording_id": ID})
        assert (event.kind, event.status) == (rec.EventKind.UPDATED, rec.RecordingStatus.UNKNOWN)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("recording_id", f"{ID}recording_start_ms1"),
            ("recording_id", "../Account"),
            ("recording_id", "a b"),
            ("recording_id", ["a", "b"]),
            ("RecordingID", "another"),
            ("record_url", "https://media.plivo.com@evil.example/x.mp3"),
            ("record_url", "https://media.plivo.com/x.mp3?next=1"),
            ("record_url", "https://media.plivo.com\\@evil.example/x.mp3"),
            ("record_url", "javascript:alert(1)"),
            ("record_url", f"{RECORD_URL}recording_duration7"),
            ("call_uuid", "f72eea2aCallUUID1"),
            ("conference_name", f"My Conf Roomrecord_url{RECORD_URL}"),
            ("conference_name", "a\nb"),
            ("recording_duration", "7recording_duration_ms7560"),
            ("recording_duration_ms", "1e9"),
            ("recording_duration_ms", "nan"),
            ("recording_start_ms", "٧"),
            ("recording_end_ms", "9" * 15),
            ("recording_end_ms", "1649759930"),
        ],
    )
    def test_a_value_that_does_not_look_like_its_kind_is_refused(
        self, name: str, value: Any
    ) -> None:
        assert (
            webhook_requests.parsed(SCHEME, request({**OF_A_CONFERENCE, name: value}), NOW) is None
        )

    def test_moving_a_boundary_keeps_the_signature_and_gains_nothing(self) -> None:
        # The conference's name swallows the URL that follows it: signed the same, refused.
        moved = dict(OF_A_CONFERENCE)
        moved["conference_name"] += "record_url" + moved.pop("record_url")
        given = request(moved, signature(OF_A_CONFERENCE))
        assert passes(given)
        assert webhook_requests.parsed(SCHEME, given, NOW) is None

    @pytest.mark.parametrize(
        ("told", "name", "cut"),
        [
            # A pause without its word would be the end, under the key of the real one.
            ({**OF_A_MEETING, "EventName": "MPCRecordingPaused"}, "EventName", ("Event", "Name")),
            # A start without its durations of -1, too.
            ({**OF_XML, "RecordingDuration": "-1"}, "RecordingDuration", ("Recordin", "gDuration")),
            (
                {**OF_XML, "RecordingDuration": "-1"},
                "RecordingDuration",
                ("RecordingDuration-", ""),
            ),
            # Half an id is another recording.
            (OF_A_MEETING, "SequenceNumber", ("bce-35e3SequenceNumber7", "")),
            (OF_A_CONFERENCE, "recording_start_ms", ("recording_start_ms16", "")),
        ],
    )
    def test_a_field_cannot_be_hidden_in_a_name_that_nobody_knows(
        self, told: Any, name: str, cut: tuple[str, str]
    ) -> None:
        hidden = dict(told)
        value = hidden.pop(name)
        hidden[cut[0]] = cut[1] + value.removeprefix("-")
        assert webhook_requests.parsed(SCHEME, request(hidden), NOW) is None

    def test_names_that_nobody_knows_may_resemble_ours(self) -> None:
        more = {"ParentCallUUID": "1", "SIP-H-X-CallUUID": "2", "RecordingEndReason": "maxLength"}
        assert event_of({**OF_XML, **more}).key == event_of(OF_XML).key

    def test_without_its_word_a_multiparty_calls_event_is_not_the_end(self) -> None:
        told = {name: value for name, value in OF_A_MEETING.items() if name != "EventName"}
        event = event_of(told)
        assert (event.kind, event.status) == ("updated", "unknown")

    @pytest.mark.parametrize(
        "body",
        [
            *(b'{"recording_id": NaN}', b'{"a":' * 200, b"a=%ff", b"a=\xff", b"{", b"&" * 2000),
            *(b"response=%7B", b'{"recording_id":["a"]}', b'{"recording_id":true}'),
        ],
    )
    def test_a_body_that_no_vendor_sends_is_refused(self, body: bytes) -> None:
        assert webhook_requests.parsed(SCHEME, request(body), NOW) is None

    @pytest.mark.parametrize("body", webhook_requests.BODIES.values(), ids=webhook_requests.BODIES)
    def test_what_is_no_form_says_nothing(self, body: bytes) -> None:
        assert not webhook_requests.parsed(SCHEME, request(body), NOW)

    @pytest.mark.parametrize("url", ["https://[", "?a=%ff", "?" + "%41" * 6000])
    def test_a_query_that_cannot_be_read_is_refused(self, url: str) -> None:
        given = evolve(by_get({}), url=url)
        assert webhook_requests.parsed(SCHEME, given, NOW) is None

    @settings(max_examples=400, deadline=None)
    @given(
        told=st.sampled_from(SAMPLES),
        name=st.sampled_from(sorted({name for sample in SAMPLES for name in sample})),
        value=st.text(max_size=30)
        | st.sampled_from(["-1", "0", "1439288665310", "9" * 15, "2022-04-12 16:08:42+05:30", ID]),
    )
    def test_whatever_one_field_is_only_documented_types_come_of_it(
        self, told: Mapping[str, str], name: str, value: str
    ) -> None:
        webhook_requests.parsed(SCHEME, request({**told, name: value}), NOW)

    @settings(max_examples=300, deadline=None)
    @given(
        payload=webhook_requests.json_bodies(
            [ID, "MPCRecordingPaused", RECORD_URL], sorted({*OF_A_MEETING, *OF_A_CALL, "response"})
        )
    )
    def test_whatever_the_payload_only_documented_types_come_of_it(self, payload: object) -> None:
        webhook_requests.parsed(SCHEME, request(json.dumps(payload).encode()), NOW)

    @settings(deadline=None)
    @given(body=st.binary(max_size=300), url=st.text(max_size=60))
    def test_whatever_the_bytes_only_a_refusal_comes_of_them(self, body: bytes, url: str) -> None:
        given = request(body, url=url)
        webhook_requests.parsed(SCHEME, given, NOW)
        webhook_requests.parsed(SCHEME, evolve(given, method="GET"), NOW)
