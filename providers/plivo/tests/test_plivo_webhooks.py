"""Webhooks: verifying and parsing, with known vectors, the official client and fuzzed requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus, urlencode

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
from recording_core.plugins.registry import get_provider_info, load_object
from recording_core.testing.fuzz import webhook_requests
from recording_plivo.webhooks import PlivoWebhooks

SCHEME = PlivoWebhooks()
#: Statuses of a rejection.
REJECTED = (400, 401)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

# The expected signatures were computed with the official client and, independently, by hand.
TOKEN = "0123456789abcdef0123456789abcdef01234567"
NONCE = "05429567804466091622"
URL = "https://hooks.example.com/plivo/recording"
ID = "2ee66bce-35e3-11eb-911a-027798047064"
RECORD_URL = f"https://media.plivo.com/v1/Account/MAXXXXXXXXXXXXXXXXXX/Recording/{ID}.mp3"
CONFERENCE_NAME = unquote_plus("My+Conf+Room")  # as it is sent
# https://www.plivo.com/docs/voice/api/conferences
CONFERENCE_WEBHOOK = {
    "api_id": "2ed79ba5-35e3-11eb-83e5-0242ac110006",
    "conference_name": CONFERENCE_NAME,
    "record_url": RECORD_URL,
    "recording_duration": "7",
    "recording_duration_ms": "7560.00000",
    "recording_end_ms": "1649759930398.00000",
    "recording_id": ID,
    "recording_start_ms": "1649759922838.00000",
}
STARTED_AT = datetime(2022, 4, 12, 10, 38, 42, 838000, tzinfo=UTC)
ENDED_AT = datetime(2022, 4, 12, 10, 38, 50, 398000, tzinfo=UTC)
CALL_WEBHOOK = {
    **{name: value for name, value in CONFERENCE_WEBHOOK.items() if name != "conference_name"},
    "call_uuid": "f72eea2a-ba4e-11ec-8a4e-0242ac110005",
}
# https://www.plivo.com/docs/voice/xml/record, with further parameters that a user received
XML_WEBHOOK = {
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
#: While the recording runs; without the second duration, so that one name decides.
BEGUN_WEBHOOK = {**XML_WEBHOOK, "RecordingDuration": "-1"}
del BEGUN_WEBHOOK["RecordingDurationMs"]
# https://www.plivo.com/docs/voice/api/multiparty-calls
MEETING_WEBHOOK = {
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
# https://www.plivo.com/docs/voice/xml/conference
ENTER_WEBHOOK = {
    "ConferenceAction": "enter",
    "Event": "ConferenceEnter",
    "ConferenceFirstMember": "true",
    "ConferenceName": "demo",
    "ConferenceUUID": "33333333-aaaa-4bbb-8ccc-000000000003",
    "ConferenceMemberID": "1130",
    "RecordUrl": RECORD_URL,
    "RecordingID": ID,
    "CallUUID": "22222222-aaaa-4bbb-8ccc-000000000002",
    "From": "12025550123",
    "To": "12025550124",
    "Direction": "inbound",
    "CallStatus": "in-progress",
}
RECORD_WEBHOOK = {
    **ENTER_WEBHOOK,
    "ConferenceAction": "record",
    "ConferenceMemberID": "",
    "CallUUID": "",
    "RecordingDuration": "7",
    "RecordingDurationMs": "7560",
    "RecordingStartMs": "1649759922838",
    "RecordingEndMs": "1649759930398",
}
TRANSCRIPT_WEBHOOK = {
    "transcription_charge": "0.05",
    "transcription": "Hello, world. recording_id and all.",
    "duration": "7",
    "call_uuid": "f72eea2a-ba4e-11ec-8a4e-0242ac110005",
    "transcription_rate": "0.05",
    "recording_id": ID,
    "error": "",
}
SAMPLES = (
    *(CONFERENCE_WEBHOOK, CALL_WEBHOOK, XML_WEBHOOK, MEETING_WEBHOOK, TRANSCRIPT_WEBHOOK),
    *(ENTER_WEBHOOK, RECORD_WEBHOOK),
)

#: A recording that could not be started has no id.
FAILURE = {"EventName": "MPCRecordingFailed", "EventTimestamp": "2022-04-12 16:08:52+05:30"}
FAILURE_WEBHOOK = {**FAILURE, "CallUUID": "f72eea2a-ba4e-11ec-8a4e-0242ac110005"}
#: The fields of another recording, which a caller hides in a text.
FORGED = {
    "record_url": "http://evil.example/x.mp3",
    "recording_duration": "5",
    "recording_id": "ffff",
}


def build_request(
    parameters: Mapping[str, Any] | bytes,
    *signatures: str,
    url: str = URL,
    nonce: str = NONCE,
    header: str = "X-Plivo-Signature-V3",
    as_json: bool = False,
) -> rec.WebhookRequest:
    if isinstance(parameters, bytes):
        body = parameters
    else:
        body = (json.dumps(parameters) if as_json else urlencode(parameters, doseq=True)).encode()
    kind = "application/json" if as_json else "application/x-www-form-urlencoded"
    headers = [("Content-Type", kind), ("X-Plivo-Signature-V3-Nonce", nonce)]
    headers += [(header, each) for each in signatures]
    return rec.WebhookRequest("POST", url, headers, body)


def build_get_request(
    parameters: Mapping[str, Any], *signatures: str, nonce: str = NONCE
) -> rec.WebhookRequest:
    headers = [("X-Plivo-Signature-V3-Nonce", nonce)]
    headers += [("X-Plivo-Signature-V3", each) for each in signatures]
    return rec.WebhookRequest("GET", f"{URL}?{urlencode(parameters, quote_via=quote)}", headers)


def sign(parameters: Mapping[str, Any], *, url: str = URL, token: str = TOKEN) -> str:
    """Sign a POST with the official client."""
    signed: bytes = get_signature_v3(
        token.encode(), construct_post_url(url, dict(parameters)).decode(), NONCE.encode()
    )
    return signed.decode()


def is_accepted(request: rec.WebhookRequest, *tokens: str, allow_v2: bool = False) -> bool:
    try:
        SCHEME.verify(request, tokens or (TOKEN,), now=NOW, allow_v2=allow_v2)
    except rec.WebhookRejected:
        return False
    return True


def find_rejection_status(request: rec.WebhookRequest) -> int:
    return webhook_requests.measure_rejection(SCHEME, request, [TOKEN], NOW)[0]


def parse_event(parameters: Mapping[str, Any], **keywords: Any) -> rec.RecordingEvent:
    (event,) = SCHEME.parse(build_request(parameters, **keywords), account="default", now=NOW)
    return event


def test_the_plugin_names_the_scheme() -> None:
    assert load_object(get_provider_info("plivo"), "webhooks") is PlivoWebhooks


class TestVerifying:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("?tenant=acme&a=1", "EtWL7MK9MDazyzFWqqBkrxnovnnm56qtiKNgzFCNqvg="),
            ("", "6ANXrB/4iLrzQK38JQqN/Ms/3wUZJe6xlffEXM/X6GU="),
        ],
    )
    def test_known_vectors_of_a_post_are_accepted(self, query: str, expected: str) -> None:
        assert is_accepted(build_request(CONFERENCE_WEBHOOK, expected, url=URL + query))

    def test_a_known_vector_of_a_get_is_accepted(self) -> None:
        request = rec.WebhookRequest(
            "GET",
            f"{URL}?recording_id=r1&api_id=a1&z=&b=hello%20world",
            {
                "X-Plivo-Signature-V3": "tdGBJD/GssYJjx0lPYgk55RajQROgv+37RZeDmmGHW8=",
                "X-Plivo-Signature-V3-Nonce": "98765",
            },
        )
        assert is_accepted(request)

    @pytest.mark.parametrize("header", ["X-Plivo-Signature-V3", "x-plivo-signature-ma-v3"])
    def test_the_account_or_the_main_account_may_sign(self, header: str) -> None:
        assert is_accepted(build_request(CALL_WEBHOOK, sign(CALL_WEBHOOK), header=header))

    def test_both_signature_headers_are_checked(self) -> None:
        request = build_request(CALL_WEBHOOK, sign(CALL_WEBHOOK, token="a subaccount's"))
        more = (*request.headers, ("X-Plivo-Signature-Ma-V3", sign(CALL_WEBHOOK)))
        assert not is_accepted(request)
        assert is_accepted(evolve(request, headers=more))

    def test_of_several_signatures_one_is_enough(self) -> None:
        right, wrong = sign(CALL_WEBHOOK), sign(CALL_WEBHOOK, token="an older one")
        assert is_accepted(build_request(CALL_WEBHOOK, f"{wrong},{right}"))
        assert is_accepted(build_request(CALL_WEBHOOK, f"{wrong}, {right}"))
        assert is_accepted(build_request(CALL_WEBHOOK, wrong, right))
        assert not is_accepted(build_request(CALL_WEBHOOK, f"{wrong},{wrong}"))

    def test_of_several_tokens_one_is_enough(self) -> None:
        assert is_accepted(build_request(CALL_WEBHOOK, sign(CALL_WEBHOOK)), "a newer one", TOKEN)

    def test_non_ascii_values_are_accepted(self) -> None:
        parameters = {**CONFERENCE_WEBHOOK, "conference_name": "Zürich – 日本 🎧"}
        assert is_accepted(build_request(parameters, sign(parameters)))

    def test_non_ascii_values_of_a_get_are_accepted(self) -> None:
        # The official client fails at such a query. The expected encoding is UTF-8, as in forms.
        parameters = {"conference_name": "Zürich", "recording_id": "r1"}
        message = f"{URL}?conference_name=Zürich&recording_id=r1.{NONCE}".encode()
        digest = hmac.new(TOKEN.encode(), message, hashlib.sha256).digest()
        assert is_accepted(build_get_request(parameters, base64.b64encode(digest).decode()))

    def test_repeated_and_empty_parameters_are_signed_as_by_the_official_client(self) -> None:
        parameters = {"b": ["2", "10", ""], "a": "", "ab": "c"}
        assert is_accepted(build_request(parameters, sign(parameters)))

    def test_json_is_signed_like_a_form(self) -> None:
        parameters = {
            **CALL_WEBHOOK,
            "n": 7,
            "f": 0.5,
            "nested": {"b": 1, "a": ["y", "x"]},
            "t": True,
        }
        assert is_accepted(build_request(parameters, sign(parameters), as_json=True))
        assert not is_accepted(
            build_request({**parameters, "n": 8}, sign(parameters), as_json=True)
        )

    def test_json_that_the_signature_does_not_cover_is_rejected(self) -> None:
        assert not is_accepted(build_request(CALL_WEBHOOK, sign({}), as_json=True))

    @pytest.mark.parametrize(
        "nonce", ["", " ", "1.2", "00000.05429567804466091622", "ü", "1\n", "1, 2", "9" * 200]
    )
    def test_a_malformed_nonce_is_rejected(self, nonce: str) -> None:
        signed = get_signature_v3(
            TOKEN.encode(), construct_post_url(URL, dict(CALL_WEBHOOK)).decode(), nonce.encode()
        )
        assert (
            find_rejection_status(build_request(CALL_WEBHOOK, signed.decode(), nonce=nonce)) == 400
        )

    def test_the_end_of_the_parameters_cannot_move_into_the_nonce(self) -> None:
        # Both requests have the same signature, because the signed text has no boundaries.
        signed = sign(CONFERENCE_WEBHOOK)
        moved = {**CONFERENCE_WEBHOOK, "recording_start_ms": "1649759922838"}
        assert not is_accepted(build_request(moved, signed, nonce=f"00000.{NONCE}"))

    @pytest.mark.parametrize("header", ["X-Plivo-Signature-V3", "X-Plivo-Signature-V2"])
    def test_a_wrong_public_url_is_named_as_a_possible_reason(self, header: str) -> None:
        url = "http://10.0.0.7:8080/plivo?key=canary"
        request = build_request(CALL_WEBHOOK, sign(CALL_WEBHOOK), url=url, header=header)
        request = evolve(request, headers=(*request.headers, ("X-Plivo-Signature-V2-Nonce", "1")))
        with pytest.raises(
            rec.WebhookRejected, match=r"check that http://10\.0\.0\.7.* is the URL"
        ) as caught:
            SCHEME.verify(request, (TOKEN,), now=NOW, allow_v2=True)
        assert caught.value.status == 401
        assert "canary" not in str(caught.value)

    def test_a_missing_nonce_or_signature_is_rejected(self) -> None:
        request = build_request(CALL_WEBHOOK, sign(CALL_WEBHOOK))
        for name in ("X-Plivo-Signature-V3", "X-Plivo-Signature-V3-Nonce"):
            assert find_rejection_status(webhook_requests.replace_header(request, name)) == 400

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", ""])
    def test_methods_other_than_get_and_post_are_rejected(self, method: str) -> None:
        request = evolve(build_request(CALL_WEBHOOK, sign(CALL_WEBHOOK)), method=method)
        assert find_rejection_status(request) == 400

    @pytest.mark.parametrize("token", ["", " ", "\t\n"])
    def test_a_blank_token_is_a_configuration_error(self, token: str) -> None:
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(
                build_request(CALL_WEBHOOK, sign(CALL_WEBHOOK, token=token)), [token], now=NOW
            )
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(build_request(CALL_WEBHOOK, sign(CALL_WEBHOOK)), [], now=NOW)

    @pytest.mark.parametrize(
        "value", webhook_requests.HEADERS.values(), ids=webhook_requests.HEADERS
    )
    def test_a_malformed_signature_header_is_rejected_quickly(self, value: str) -> None:
        status, seconds = webhook_requests.measure_rejection(
            SCHEME, build_request(CALL_WEBHOOK, value), [TOKEN], NOW
        )
        assert status in REJECTED
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
    def test_an_oversized_body_is_rejected_quickly(self, body: bytes) -> None:
        request = build_request(body, sign(CALL_WEBHOOK))
        status, seconds = webhook_requests.measure_rejection(SCHEME, request, [TOKEN], NOW)
        assert status in REJECTED
        assert seconds < 0.01

    @pytest.mark.parametrize("url", ["", "hooks", "https://[", "https://h/\udce9", "//", "?a=%ff"])
    def test_a_malformed_url_is_rejected(self, url: str) -> None:
        assert (
            find_rejection_status(build_request(CALL_WEBHOOK, sign(CALL_WEBHOOK), url=url))
            in REJECTED
        )

    def test_noncanonical_base64_is_rejected(self) -> None:
        right = sign(CALL_WEBHOOK)
        # Two bits of the last character are unused.
        loose = f"{right[:-2]}{chr(ord(right[-2]) + 1)}="
        assert base64.b64decode(loose) == base64.b64decode(right)
        for value in (loose, right.rstrip("="), f"{right}=", f"{right[:9]}\n{right[9:]}"):
            assert find_rejection_status(build_request(CALL_WEBHOOK, value)) in REJECTED, value

    @settings(max_examples=400, deadline=None)
    @given(data=st.data())
    def test_every_changed_bit_of_a_signed_value_is_rejected(self, data: st.DataObject) -> None:
        parameters = data.draw(st.sampled_from(SAMPLES))
        request = build_request(parameters, sign(parameters))
        forged = evolve(request, body=data.draw(webhook_requests.generate_bit_flips(request.body)))
        try:
            same = _read_parameters(forged) == _read_parameters(request)  # such as %2F and %2f
        except ValueError:
            same = False
        assert is_accepted(forged) is same

    def test_every_changed_bit_of_signature_and_nonce_is_rejected(self) -> None:
        for text, header in ((sign(CALL_WEBHOOK), "V3"), (NONCE, "V3-Nonce")):
            for bit in range(8 * len(text)):
                value = bytearray(text.encode())
                value[bit // 8] ^= 1 << bit % 8
                request = build_request(CALL_WEBHOOK, sign(CALL_WEBHOOK))
                name = f"X-Plivo-Signature-{header}"
                forged = webhook_requests.replace_header(request, name, value.decode("latin-1"))
                assert find_rejection_status(forged) in REJECTED

    @settings(max_examples=300, deadline=None)
    @given(
        signed=webhook_requests.generate_header_values(),
        nonce=webhook_requests.generate_header_values(),
        body=st.binary(),
        url=st.text(),
    )
    def test_any_unsigned_request_is_rejected(
        self, signed: str, nonce: str, body: bytes, url: str
    ) -> None:
        assert find_rejection_status(build_request(body, signed, nonce=nonce, url=url)) in REJECTED


class TestVersion2:
    SIGNED = base64.b64encode(
        hmac.new(TOKEN.encode(), (URL + NONCE).encode(), hashlib.sha256).digest()
    ).decode()

    def build_v2_request(self, parameters: Mapping[str, Any] = CALL_WEBHOOK) -> rec.WebhookRequest:
        headers = {
            "X-Plivo-Signature-V2": self.SIGNED,
            "X-Plivo-Signature-V2-Nonce": NONCE,
        }
        return evolve(build_request(parameters), headers=headers, url=f"{URL}?tenant=acme")

    def test_version_2_is_accepted_only_with_allow_v2(self) -> None:
        assert validate_signature(URL, NONCE, self.SIGNED, TOKEN)
        assert find_rejection_status(self.build_v2_request()) == 400
        assert is_accepted(self.build_v2_request(), allow_v2=True)

    def test_version_2_does_not_replace_a_wrong_version_3(self) -> None:
        more = (
            ("X-Plivo-Signature-V3", sign(CONFERENCE_WEBHOOK)),
            ("X-Plivo-Signature-V3-Nonce", NONCE),
        )
        request = self.build_v2_request()
        request = evolve(request, headers=(*request.headers, *more))
        assert not is_accepted(request, allow_v2=True)

    def test_version_2_rejects_another_url_or_nonce(self) -> None:
        assert not is_accepted(evolve(self.build_v2_request(), url=f"{URL}/other"), allow_v2=True)
        nonced = webhook_requests.replace_header(
            self.build_v2_request(), "X-Plivo-Signature-V2-Nonce", "1"
        )
        assert not is_accepted(nonced, allow_v2=True)


class TestTheOfficialClientAgrees:
    """The official client's `validate_v3_signature` and ours agree on well-formed requests."""

    def test_on_ten_thousand_generated_requests(self) -> None:
        generator = random.Random(3)
        results = {True: 0, False: 0}
        for _ in range(10_000):
            method, url, parameters, token, nonce = _generate_request(generator)
            signed = _sign_with_official_client(method, url, parameters, token, nonce)
            header = _build_signature_header(generator, signed)
            # Some requests are changed after they were signed.
            url, parameters, nonce = _change_request(generator, url, parameters, nonce)
            theirs = validate_v3_signature(method, url, nonce, token, header, dict(parameters))
            if method == "GET":
                request = evolve(
                    build_request({}, header, url=url, nonce=nonce), method="GET", body=b""
                )
            else:
                request = build_request(parameters, header, url=url, nonce=nonce)
            assert is_accepted(request, token) is theirs, (method, url, parameters, nonce, header)
            results[theirs] += 1
        assert min(results.values()) > 2000

    def test_except_for_an_empty_token(self) -> None:
        signed = sign(CALL_WEBHOOK, token="")
        assert validate_v3_signature("POST", URL, NONCE, "", signed, dict(CALL_WEBHOOK))
        with pytest.raises(rec.ConfigurationError):
            SCHEME.verify(build_request(CALL_WEBHOOK, signed), [""], now=NOW)

    def test_except_for_a_nonce_with_a_dot(self) -> None:
        moved = {**CONFERENCE_WEBHOOK, "recording_start_ms": "1649759922838"}
        signed, nonce = sign(CONFERENCE_WEBHOOK), f"00000.{NONCE}"
        assert validate_v3_signature("POST", URL, nonce, TOKEN, signed, dict(moved))
        assert not is_accepted(build_request(moved, signed, nonce=nonce))

    def test_except_for_more_than_sixteen_signatures(self) -> None:
        many = ",".join([sign(CALL_WEBHOOK)] * 17)
        assert validate_v3_signature("POST", URL, NONCE, TOKEN, many, dict(CALL_WEBHOOK))
        assert not is_accepted(build_request(CALL_WEBHOOK, many))

    def test_except_for_too_many_parameters_and_escapes(self) -> None:
        for parameters in ({f"n{i}": "" for i in range(1001)}, {"a": "," * 5001}):
            signed = sign(parameters)
            assert validate_v3_signature("POST", URL, NONCE, TOKEN, signed, dict(parameters))
            assert not is_accepted(build_request(parameters, signed))

    def test_except_for_a_space_after_the_comma_and_a_non_ascii_query(self) -> None:
        # HTTP joins a header that occurs twice with a comma and a space.
        twice = f"{sign(CALL_WEBHOOK, token='another')}, {sign(CALL_WEBHOOK)}"
        assert not validate_v3_signature("POST", URL, NONCE, TOKEN, twice, dict(CALL_WEBHOOK))
        assert is_accepted(build_request(CALL_WEBHOOK, twice))
        with pytest.raises(UnicodeEncodeError):
            validate_v3_signature("GET", f"{URL}?a=%C3%BC", NONCE, TOKEN, twice)
        with pytest.raises(ValidationError):
            validate_v3_signature("PUT", URL, NONCE, TOKEN, twice)


def _read_parameters(request: rec.WebhookRequest) -> Any:
    pairs = parse_qsl(request.body.decode(), keep_blank_values=True, errors="strict")
    return "".join(name + value for name, value in sorted(pairs))


_VALUES = (
    "",
    "a",
    "b",
    "A",
    "7",
    "hello world",
    "My Conf/Hall?x#y",
    "Zürich",
    "日本",
    "=",
    "&",
    ".",
)
_ASCII_VALUES = tuple(value for value in _VALUES if value.isascii())


def _generate_request(generator: random.Random) -> tuple[str, str, dict[str, Any], str, str]:
    method = generator.choice(("GET", "POST", "POST"))
    query = [
        (generator.choice("abAB"), generator.choice(_ASCII_VALUES))
        for _ in range(generator.randrange(4))
    ]
    if method == "GET":
        query += [(name, generator.choice(_ASCII_VALUES)) for name in ("recording_id", "api_id")]
        generator.shuffle(query)
    port, path = (
        generator.choice(("", ":8443")),
        generator.choice(("", "/", "/x", "/x/y%20z/", "/x;v=1")),
    )
    url = f"https://hooks.example.com{port}{path}"
    if query:
        url += "?" + urlencode(query, quote_via=generator.choice((quote, quote_plus)))
    parameters: dict[str, Any] = {}
    if method == "POST":
        for name in generator.sample(("recording_id", "record_url", "B", "b", "ü", "a.b", ""), 4):
            values = [generator.choice(_VALUES) for _ in range(generator.choice((0, 1, 1, 1, 3)))]
            if values and name:
                parameters[name] = values if len(values) > 1 else values[0]
    token = "".join(generator.choices("0123456789abcdef", k=40))
    nonce = "".join(generator.choices("0123456789", k=20))
    return method, url, parameters, token, nonce


def _sign_with_official_client(
    method: str, url: str, parameters: Mapping[str, Any], token: str, nonce: str
) -> str:
    build = construct_get_url if method == "GET" else construct_post_url
    signed: bytes = get_signature_v3(
        token.encode(), build(url, dict(parameters)).decode(), nonce.encode()
    )
    return signed.decode()


def _build_signature_header(generator: random.Random, signed: str) -> str:
    other = base64.b64encode(generator.randbytes(32)).decode()
    return generator.choice(
        (signed, signed, signed, f"{other},{signed}", f"{signed},{other}", other, signed.lower())
    )


def _change_request(
    generator: random.Random, url: str, parameters: dict[str, Any], nonce: str
) -> tuple[str, dict[str, Any], str]:
    match generator.randrange(8):
        case 0:
            url += "&a=2" if "?" in url else "?a=2"
        case 1:
            url = url.replace("hooks", "other")
        case 2:
            nonce = nonce[::-1]
        case 3 if parameters:
            parameters = {
                **parameters,
                generator.choice(list(parameters)): generator.choice(_VALUES),
            }
    return url, parameters, nonce


class TestReading:
    def test_all_fields_of_a_conferences_webhook_are_read(self) -> None:
        event = parse_event(CONFERENCE_WEBHOOK)
        assert event == rec.RecordingEvent(
            provider="plivo",
            account="default",
            kind=rec.EventKind.AVAILABLE,
            recording_id=ID,
            target=rec.conference(CONFERENCE_NAME),
            recording=event.recording,
            status=rec.RecordingStatus.AVAILABLE,
            occurred_at=ENDED_AT,
            delivery_id=NONCE,
            key=f"plivo/default/{ID}/available",
            trusted=False,
        )
        assert event.raw == CONFERENCE_WEBHOOK
        recording = event.recording
        assert recording is not None
        assert (recording.started_at, recording.ended_at) == (STARTED_AT, ENDED_AT)
        assert recording.duration == timedelta(milliseconds=7560)
        assert (recording.kind, recording.format) == (rec.SessionKind.CONFERENCE, "mp3")
        assert [file.url for file in recording.files] == [RECORD_URL]

    def test_the_target_of_a_calls_webhook_is_the_call(self) -> None:
        event = parse_event(CALL_WEBHOOK)
        assert event.target == rec.call("f72eea2a-ba4e-11ec-8a4e-0242ac110005")
        assert event.key == f"plivo/default/{ID}/available"

    def test_an_xml_webhook_yields_the_same_event_as_one_of_the_api(self) -> None:
        event, other = parse_event(XML_WEBHOOK), parse_event(CALL_WEBHOOK)
        assert event.key == other.key
        assert event.target == other.target
        assert event.recording == other.recording
        assert (event.kind, event.occurred_at) == (rec.EventKind.AVAILABLE, ENDED_AT)

    def test_durations_of_minus_one_mean_started(self) -> None:
        names = ("RecordingDuration", "RecordingDurationMs", "RecordingStartMs", "RecordingEndMs")
        event = parse_event({**XML_WEBHOOK, **dict.fromkeys(names, "-1")})
        assert (event.kind, event.status) == (
            rec.EventKind.STARTED,
            rec.RecordingStatus.RECORDING,
        )
        assert event.key == f"plivo/default/{ID}/started"
        assert event.recording is not None
        assert (event.recording.duration, event.recording.files) == (None, ())
        assert event.occurred_at is None

    @pytest.mark.parametrize("action", ["enter", "exit", "digits", "floor"])
    def test_a_url_before_the_end_means_started(self, action: str) -> None:
        entered = {
            "ConferenceAction": action,
            "ConferenceName": "demo",
            "ConferenceMemberID": "1130",
            "RecordUrl": RECORD_URL,
            "RecordingID": ID,
        }
        times = {name: XML_WEBHOOK[name] for name in XML_WEBHOOK if name.startswith("RecordingD")}
        receiver = rec.receiver("plivo", secret=TOKEN)
        dispatched: list[rec.RecordingEvent] = []
        receiver.listen(dispatched.append)
        for parameters in (entered, {**entered, **times, "ConferenceAction": "record"}):
            receiver.receive(build_request(parameters, sign(parameters)))
        assert [event.kind for event in dispatched] == [
            rec.EventKind.STARTED,
            rec.EventKind.AVAILABLE,
        ]
        recordings = [event.recording for event in dispatched]
        files = [len(recording.files) for recording in recordings if recording is not None]
        assert files == [0, 1]

    def test_an_xml_conference_names_its_target_and_reference(self) -> None:
        for parameters in (ENTER_WEBHOOK, RECORD_WEBHOOK):
            event = parse_event(parameters)
            assert event.target == rec.conference("demo")
            assert event.recording is not None
            assert event.recording.kind is rec.SessionKind.CONFERENCE
            assert event.recording.reference == ENTER_WEBHOOK["ConferenceUUID"]
        odd = parse_event({**ENTER_WEBHOOK, "ConferenceUUID": "a b"}).recording
        assert odd is not None
        assert (odd.reference, odd.unread_fields) == (None, ("ConferenceUUID",))
        unnamed = {name: text for name, text in ENTER_WEBHOOK.items() if name != "ConferenceName"}
        event = parse_event(unnamed)
        assert event.target is None, "its call is that of a member"
        assert event.recording is not None
        assert event.recording.kind is rec.SessionKind.CONFERENCE

    @pytest.mark.parametrize("action", ["enter", "exit", "digits", "floor", "mute"])
    def test_only_a_record_action_with_an_end_is_about_a_file(self, action: str) -> None:
        ended = parse_event(RECORD_WEBHOOK)
        assert (ended.kind, ended.status) == ("available", "available")
        assert ended.recording is not None
        assert ended.recording.duration == timedelta(milliseconds=7560)
        event = parse_event({**RECORD_WEBHOOK, "ConferenceAction": action})
        is_known = action != "mute"
        expected = ("started", "recording") if is_known else ("updated", "unknown")
        assert (event.kind, event.status) == expected

    def test_the_action_url_of_an_xml_conference_means_started(self) -> None:
        action = {name: text for name, text in ENTER_WEBHOOK.items() if name != "ConferenceAction"}
        assert parse_event(action).key == f"plivo/default/{ID}/started"

    def test_a_hidden_conference_action_is_rejected(self) -> None:
        hidden = {**RECORD_WEBHOOK, "ConferenceAction": "exit"}
        hidden["ConferenceA"] = "ction" + hidden.pop("ConferenceAction")
        assert webhook_requests.parse_and_check(SCHEME, build_request(hidden), NOW) is None

    @pytest.mark.parametrize(
        "message",
        ["call recording started", "conference recording started", "MPC: Sales record started"],
    )
    @pytest.mark.parametrize("url", ["url", "recording_url"])
    def test_the_answer_to_an_asynchronous_start_means_started(
        self, message: str, url: str
    ) -> None:
        answer = {"api_id": "a", "message": message, "recording_id": ID, url: RECORD_URL}
        event = parse_event(answer)
        assert (event.kind, event.status) == ("started", "recording")
        assert event.key == f"plivo/default/{ID}/started"
        assert event.recording is not None
        assert event.recording.files == ()
        assert event.raw[url] == RECORD_URL

    def test_other_answers_to_asynchronous_requests_are_read_by_their_fields(self) -> None:
        row = {
            "recording_id": ID,
            "recording_url": RECORD_URL,
            "recording_duration_ms": "7560.00000",
            "recording_end_ms": "1649759930398.00000",
            "call_uuid": CALL_WEBHOOK["call_uuid"],
        }
        assert parse_event(row).kind is rec.EventKind.AVAILABLE
        refused = build_request({"api_id": "a", "error": "not found"})
        assert SCHEME.parse(refused, account="default", now=NOW) == ()
        done = {**CALL_WEBHOOK, "message": "call recording started"}
        assert parse_event(done).kind is rec.EventKind.AVAILABLE, "it has an end"

    @pytest.mark.parametrize("name", ["recording_duration", "recording_end_ms"])
    @pytest.mark.parametrize("value", ["7560", "soon"])
    def test_an_end_that_cannot_be_read_is_not_an_absent_one(self, name: str, value: str) -> None:
        without_end = {
            each: text
            for each, text in CALL_WEBHOOK.items()
            if not each.startswith(("recording_duration", "recording_end"))
        }
        assert parse_event(without_end).kind is rec.EventKind.STARTED
        assert parse_event({**without_end, name: value}).kind is rec.EventKind.AVAILABLE
        assert parse_event({**without_end, name: "-1"}).kind is rec.EventKind.STARTED

    @pytest.mark.parametrize("changes", [{"RecordingDuration": "-1"}, {"RecordingEndMs": "-1"}])
    def test_one_of_several_numbers_is_no_evidence_of_a_start(self, changes: Any) -> None:
        event, good = parse_event({**XML_WEBHOOK, **changes}), parse_event(XML_WEBHOOK)
        assert (event.key, event.status) == (good.key, good.status)
        assert event.recording is not None
        assert event.recording.unread_fields == ()

    @pytest.mark.parametrize("milliseconds", [None, "-1", "-1.00000", -1])
    def test_seconds_are_used_without_milliseconds(self, milliseconds: Any) -> None:
        parameters = {**CALL_WEBHOOK, "recording_duration_ms": milliseconds}
        event = parse_event(parameters, as_json=True)
        assert event.kind is rec.EventKind.AVAILABLE
        assert event.recording is not None
        assert event.recording.duration == timedelta(seconds=7)
        assert event.recording.unread_fields == ()

    def test_a_recording_of_no_length_is_available(self) -> None:
        parameters = {**CALL_WEBHOOK, "recording_duration": "0", "recording_duration_ms": "0"}
        event = parse_event(parameters)
        assert event.kind is rec.EventKind.AVAILABLE
        assert event.recording is not None
        assert event.recording.duration == timedelta(0)

    def test_the_webhook_of_a_multiparty_call_is_read(self) -> None:
        event = parse_event(MEETING_WEBHOOK)
        assert (event.kind, event.status) == (
            rec.EventKind.AVAILABLE,
            rec.RecordingStatus.AVAILABLE,
        )
        assert event.target == rec.meeting("Weekly Review")
        assert event.occurred_at == datetime(2022, 4, 12, 10, 38, 52, tzinfo=UTC)
        recording = event.recording
        assert recording is not None
        assert recording.kind is rec.SessionKind.MEETING
        assert recording.reference == MEETING_WEBHOOK["MPCUUID"]
        assert recording.provider_status == "MPCRecordingCompleted"
        assert recording.duration == timedelta(seconds=8)
        assert recording.started_at == STARTED_AT.replace(microsecond=0)

    @pytest.mark.parametrize(
        ("event_name", "kind", "status"),
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
    def test_each_event_name_has_a_kind_and_a_status(
        self, subject: str, event_name: str, kind: rec.EventKind, status: rec.RecordingStatus
    ) -> None:
        if subject == "Session" and event_name in ("RecordingPaused", "RecordingResumed"):
            # https://www.plivo.com/docs/voice/api/number-masking: a session has no pause.
            kind, status = rec.EventKind.UPDATED, rec.RecordingStatus.UNKNOWN
        event = parse_event(
            {**MEETING_WEBHOOK, "EventName": subject + event_name, "MemberID": "17"}
        )
        assert (event.kind, event.status) == (kind, status)
        assert event.recording is not None
        assert event.recording.provider_status == subject + event_name

    def test_pauses_have_keys_of_their_own_and_a_start_has_one_key(self) -> None:
        paused = {**MEETING_WEBHOOK, "EventName": "MPCRecordingPaused"}
        assert parse_event(paused).key == f"plivo/default/{ID}/paused/7"
        assert parse_event({**paused, "SequenceNumber": "9"}).key != parse_event(paused).key
        by_time = {name: value for name, value in paused.items() if name != "SequenceNumber"}
        assert parse_event(by_time).key.endswith("/paused/2022-04-12%2016:08:52%2B05:30")
        del by_time["EventTimestamp"]
        assert parse_event(by_time).key == parse_event(by_time).key != parse_event(paused).key
        begun = {**MEETING_WEBHOOK, "EventName": "MPCRecordingInitiated"}
        assert parse_event(begun).key == f"plivo/default/{ID}/started"

    def test_a_participants_recording_is_a_track(self) -> None:
        parameters = {
            **{name: text for name, text in MEETING_WEBHOOK.items() if not name.startswith("MPC")},
            "EventName": "ParticipantRecordingCompleted",
            "MemberID": "17",
        }
        event = parse_event(parameters)
        assert event.target is None
        assert event.recording is not None
        assert event.recording.kind is rec.SessionKind.MEETING
        (file,) = event.recording.files
        assert (file.role, file.participant) == (rec.FileRole.TRACK, "17")

    def test_the_target_of_a_meeting_is_what_start_accepts(self) -> None:
        name = "name_of_the_rose"
        assert parse_event({**MEETING_WEBHOOK, "MPCName": name}).target == rec.meeting(
            f"name_{name}"
        )
        parameters = {key: value for key, value in MEETING_WEBHOOK.items() if key != "MPCName"}
        assert parse_event(parameters).target == rec.meeting(MEETING_WEBHOOK["MPCUUID"])
        short = parse_event({**parameters, "MPCUUID": "3-a"})
        assert short.target == rec.meeting("uuid_3-a"), "alone it would be read as a name"
        odd = parse_event({**MEETING_WEBHOOK, "MPCUUID": "a b"})
        assert odd.target == rec.meeting("Weekly Review")
        assert odd.recording is not None
        assert (odd.recording.reference, odd.recording.unread_fields) == (None, ("MPCUUID",))

    def test_a_transcript_is_an_update_also_if_it_failed(self) -> None:
        for error in ("", "Recording duration too long for transcription"):
            event = parse_event({**TRANSCRIPT_WEBHOOK, "error": error})
            assert (event.kind, event.status) == (
                rec.EventKind.UPDATED,
                rec.RecordingStatus.AVAILABLE,
            )
            assert event.recording_id == ID
            assert event.raw["transcription"] == TRANSCRIPT_WEBHOOK["transcription"]

    def test_the_call_of_a_transcript_may_be_that_of_a_conferences_member(self) -> None:
        event = parse_event(TRANSCRIPT_WEBHOOK)
        assert event.target is None
        assert event.recording is not None
        assert event.recording.reference == TRANSCRIPT_WEBHOOK["call_uuid"]
        assert (event.recording.kind, event.recording.files) == (None, ())
        session = rec.RecordingSession("plivo", "default", ID, rec.conference("testing"))
        assert session.apply(event).id == ID
        recording = rec.Recording("plivo", "default", ID, status=rec.RecordingStatus.AVAILABLE)
        assert recording.apply(event).status is rec.RecordingStatus.AVAILABLE

    def test_the_order_and_format_of_parameters_do_not_change_the_key(self) -> None:
        key = parse_event(TRANSCRIPT_WEBHOOK).key
        assert parse_event(dict(reversed(TRANSCRIPT_WEBHOOK.items()))).key == key
        assert parse_event(TRANSCRIPT_WEBHOOK, as_json=True).key == key
        assert parse_event(TRANSCRIPT_WEBHOOK, nonce="1").key == key
        assert parse_event({**TRANSCRIPT_WEBHOOK, "transcription": "another"}).key != key
        assert parse_event(TRANSCRIPT_WEBHOOK, url=f"{URL}?tenant=2").key != key

    def test_a_get_yields_the_same_event_as_a_post(self) -> None:
        (event,) = SCHEME.parse(build_get_request(CONFERENCE_WEBHOOK), account="default", now=NOW)
        assert event == parse_event(CONFERENCE_WEBHOOK)

    def test_json_yields_the_same_event_as_a_form(self) -> None:
        parameters = {
            **CONFERENCE_WEBHOOK,
            "recording_duration": 7,
            "recording_duration_ms": 7560.0,
        }
        assert parse_event(parameters, as_json=True) == evolve(parse_event(CONFERENCE_WEBHOOK))

    def test_json_in_a_field_of_the_form_is_unwrapped(self) -> None:
        parameters = {"response": json.dumps({**CONFERENCE_WEBHOOK, "message": "record done"})}
        assert parse_event(parameters).recording == parse_event(CONFERENCE_WEBHOOK).recording

    @pytest.mark.parametrize(
        "parameters",
        [
            {"Event": "Hangup", "CallUUID": "f72eea2a", "CallStatus": "completed"},
            {"EventName": "MPCStarted", "MPCUUID": "6c9a2b2e"},
            {"message": "async api spawned", "api_id": "1"},
            {},
        ],
    )
    def test_a_webhook_without_a_recording_yields_no_event(self, parameters: Any) -> None:
        assert SCHEME.parse(build_request(parameters), account="default", now=NOW) == ()

    @pytest.mark.parametrize("more", [{}, {"EventName": "CallRecordingCompleted"}])
    def test_an_id_alone_is_an_update_of_unknown_status(self, more: dict[str, str]) -> None:
        event = parse_event({"recording_id": ID, **more})
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
            ("record_url", "https://media.plivo.com/v1/Account/MAXX/"),  # the file's name is cut
            ("record_url", 7),
            ("EventName", "MPC Recording Paused"),
            ("EventName", ["MPCRecordingPaused"]),
            ("ConferenceAction", "enter now"),
        ],
    )
    @pytest.mark.parametrize("as_json", [True, False])
    def test_what_identifies_an_event_must_be_in_its_form(
        self, name: str, value: Any, as_json: bool
    ) -> None:
        if value in (7, ["MPCRecordingPaused"]) and not as_json:
            return  # a form has texts only, and a list of one is a text
        request = build_request({**CONFERENCE_WEBHOOK, name: value}, as_json=as_json)
        assert webhook_requests.parse_and_check(SCHEME, request, NOW) is None

    @pytest.mark.parametrize(
        ("name", "value", "unread"),
        [
            ("call_uuid", "f72eea2aCallUUID1", []),
            ("call_uuid", "a b", ["call_uuid"]),
            ("conference_name", "a\nb", ["conference_name"]),
            ("conference_name", f"My Conf Roomrecord_url{RECORD_URL}", []),
            ("recording_duration", "7recording_duration_ms7560", []),
            ("recording_duration_ms", "1e9", ["recording_duration_ms"]),
            ("recording_duration_ms", "nan", ["recording_duration_ms"]),
            ("recording_duration_ms", "null", ["recording_duration_ms"]),
            ("recording_start_ms", "٧", ["recording_start_ms"]),
            ("recording_end_ms", "9" * 15, ["recording_end_ms"]),
            ("recording_end_ms", "1649759930", ["recording_end_ms"]),
            ("api_id", "a b", []),
        ],
    )
    def test_any_other_field_fails_alone(self, name: str, value: str, unread: list[str]) -> None:
        event, good = parse_event({**CALL_WEBHOOK, name: value}), parse_event(CALL_WEBHOOK)
        assert (event.key, event.kind, event.status) == (good.key, good.kind, good.status)
        assert event.recording is not None
        assert good.recording is not None
        assert list(event.recording.unread_fields) == unread
        for field, our_field in (
            ("call_uuid", "reference"),
            ("recording_duration_ms", "duration"),
            ("recording_start_ms", "started_at"),
            ("recording_end_ms", "ended_at"),
        ):
            value = getattr(event.recording, our_field)
            if field in unread:
                assert value is None
            elif name != field:
                assert value == getattr(good.recording, our_field)

    @pytest.mark.parametrize(
        "value", [-1, -0.5, 2**63, 7.25, True, [], ["a"], {}, {"a": 1}, "null", "0000-00-00", "x y"]
    )
    @pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: next(iter(sample)))
    def test_an_odd_optional_field_never_costs_an_event(self, sample: Any, value: Any) -> None:
        good = parse_event(sample, as_json=True)
        identifying = {"recording_id", "RecordingID", "RecordingUUID", "EventName"}
        identifying |= {"record_url", "RecordUrl", "RecordFile", "RecordingURL"}
        identifying |= {"ConferenceAction"}
        for name in sorted(set(sample) - identifying):
            event = parse_event({**sample, name: value}, as_json=True)
            assert event.recording_id == good.recording_id
            assert (event.recording is None) is (good.recording is None)
            assert (event.kind, event.status) == (good.kind, good.status)

    @pytest.mark.parametrize("url", ["True", "https://media.plivo.com@evil.example/x.mp3", "-7"])
    def test_an_odd_url_of_a_multiparty_call_gives_no_file(self, url: str) -> None:
        event = parse_event({**MEETING_WEBHOOK, "RecordingURL": url})
        assert (event.key, event.status) == (parse_event(MEETING_WEBHOOK).key, "available")
        assert event.recording is not None
        assert event.recording.files == ()
        assert event.recording.unread_fields == ("RecordingURL",)

    def test_null_as_a_word_is_unread(self) -> None:
        event = parse_event(
            {
                **MEETING_WEBHOOK,
                "EventName": "MPCRecordingInitiated",
                "RecordingDuration": "null",
                "RecordingEndTime": "null",
            }
        )
        assert (event.kind, event.status) == ("started", "recording")
        assert event.recording is not None
        assert event.recording.unread_fields == ("RecordingDuration", "RecordingEndTime")
        assert (event.recording.duration, event.recording.ended_at) == (None, None)
        assert event.recording.started_at == STARTED_AT.replace(microsecond=0)

    def test_half_a_character_costs_its_text_alone(self) -> None:
        body = json.dumps({**CONFERENCE_WEBHOOK, "conference_name": "a\ud83d"}).encode()
        (event,) = SCHEME.parse(build_request(body), account="default", now=NOW)
        assert event.target is None
        assert event.recording is not None
        assert event.recording.unread_fields == ("conference_name",)

    @pytest.mark.parametrize("subject", ["MPC", "Participant", "Session"])
    @pytest.mark.parametrize("id", [{}, {"RecordingUUID": ""}, {"RecordingUUID": "null"}])
    def test_a_failure_before_there_was_a_recording_is_an_event(
        self, subject: str, id: dict[str, str]
    ) -> None:
        parameters = {
            "EventName": f"{subject}RecordingFailed",
            "EventTimestamp": "2022-04-12 10:38:42+00:00",
            "SequenceNumber": "1",
            **id,
        }
        named = {
            "MPC": {"MPCName": "Weekly Review", "MPCUUID": "3-a"},
            "Session": {"SessionUUID": "3-b"},
        }.get(subject, {"MemberID": "17"})
        event = parse_event({**parameters, **named})
        assert (event.kind, event.status) == ("failed", "failed")
        assert (event.recording_id, event.recording) == (None, None)
        assert event.occurred_at == STARTED_AT.replace(microsecond=0)
        assert event.target == (rec.meeting("Weekly Review") if subject == "MPC" else None)
        owner = {"MPC": "meeting:Weekly%20Review", "Session": "3-b"}.get(subject, "")
        assert event.key.startswith(f"plivo/default/{owner}/failed/")
        assert event.key == parse_event({**parameters, **named}, nonce="1").key
        assert event.key != parse_event({**parameters, **named, "SequenceNumber": "2"}).key

    @pytest.mark.parametrize("event_name", ["MPCRecordingPaused", "MPCRecordingSealed", "MPCEnded"])
    def test_other_events_without_a_recording_are_none(self, event_name: str) -> None:
        request = build_request({"EventName": event_name, "MPCName": "Weekly Review"})
        assert SCHEME.parse(request, account="default", now=NOW) == ()

    def test_equal_repeats_of_a_parameter_are_one_value(self) -> None:
        request = build_get_request(CALL_WEBHOOK)
        repeated = evolve(
            request, url=f"{request.url}&call_uuid={CALL_WEBHOOK['call_uuid']}&recording_id={ID}"
        )
        (event,) = SCHEME.parse(repeated, account="default", now=NOW)
        assert event == parse_event(CALL_WEBHOOK)
        other = evolve(request, url=f"{request.url}&call_uuid=1&tag=a&tag=b")
        (event,) = SCHEME.parse(other, account="default", now=NOW)
        assert event.target is None
        assert event.recording is not None
        assert event.recording.unread_fields == ("call_uuid",)
        conflict = evolve(request, url=f"{request.url}&recording_id=1")
        assert webhook_requests.parse_and_check(SCHEME, conflict, NOW) is None

    def test_repeats_are_signed_as_they_are_sent(self) -> None:
        parameters = {**CALL_WEBHOOK, "call_uuid": [CALL_WEBHOOK["call_uuid"]] * 2}
        assert is_accepted(build_request(parameters, sign(parameters)))
        assert not is_accepted(build_request(CALL_WEBHOOK, sign(parameters)))
        assert parse_event(parameters).target == parse_event(CALL_WEBHOOK).target

    @pytest.mark.parametrize(
        "name", ["Gala EventName TBD", "call_uuid", "record_url page", "a recording_id b", "api_id"]
    )
    def test_a_conferences_name_may_contain_a_fields_name(self, name: str) -> None:
        event = parse_event({**CONFERENCE_WEBHOOK, "conference_name": name})
        assert event.target == rec.conference(name)
        assert event.key == parse_event(CONFERENCE_WEBHOOK).key

    @pytest.mark.parametrize(
        "value",
        [
            '{"call_uuid":"abc"}',
            "recording_id7",
            f"record_url{RECORD_URL}x",
            "CallUUID1",
            "EventNameMPCRecordingFailed",
        ],
    )
    def test_a_customers_own_field_may_contain_a_fields_name(self, value: str) -> None:
        event = parse_event({**XML_WEBHOOK, "X-PH-Context": value})
        assert evolve(event, raw={}) == evolve(parse_event(XML_WEBHOOK), raw={})

    def test_another_vocabularys_field_does_not_replace_the_recording(self) -> None:
        # The text of a customer's own field at the end, divided into two fields.
        for more in ({"recording_id": "7"}, {"record_url": "https://media.plivo.com/x.mp3"}):
            request = build_request({**XML_WEBHOOK, "X-PH-Context": "", **more})
            assert webhook_requests.parse_and_check(SCHEME, request, NOW) is None
        wrapped = json.dumps({**CONFERENCE_WEBHOOK, "recording_id": "7"})
        assert parse_event({**XML_WEBHOOK, "response": wrapped}).recording_id == ID

    def test_a_moved_boundary_keeps_the_signature_and_is_rejected(self) -> None:
        # The conference's name contains the URL that follows it: the signature is the same.
        moved = dict(CONFERENCE_WEBHOOK)
        moved["conference_name"] += "record_url" + moved.pop("record_url")
        request = build_request(moved, sign(CONFERENCE_WEBHOOK))
        assert is_accepted(request)
        assert webhook_requests.parse_and_check(SCHEME, request, NOW) is None

    @pytest.mark.parametrize(
        ("parameters", "name", "cut"),
        [
            # A pause without its event name would be the end, with the key of the real one.
            (
                {**MEETING_WEBHOOK, "EventName": "MPCRecordingPaused"},
                "EventName",
                ("Event", "Name"),
            ),
            # So would a start without its durations of -1.
            (
                BEGUN_WEBHOOK,
                "RecordingDuration",
                ("Recordin", "gDuration-"),
            ),
            (
                BEGUN_WEBHOOK,
                "RecordingDuration",
                ("RecordingDuration-", ""),
            ),
            # Half an id is the id of another recording.
            (MEETING_WEBHOOK, "SequenceNumber", ("bce-35e3SequenceNumber7", "")),
            # A value that contains all that follows it.
            (
                CONFERENCE_WEBHOOK,
                "recording_duration",
                ("record_url", f"{RECORD_URL}recording_duration"),
            ),
        ],
    )
    def test_a_field_hidden_in_an_unknown_name_is_rejected(
        self, parameters: Any, name: str, cut: tuple[str, str]
    ) -> None:
        hidden = dict(parameters)
        value = hidden.pop(name)
        hidden[cut[0]] = cut[1] + value.removeprefix("-")
        assert webhook_requests.parse_and_check(SCHEME, build_request(hidden), NOW) is None

    def test_a_hidden_field_that_identifies_nothing_costs_nothing(self) -> None:
        hidden = dict(CONFERENCE_WEBHOOK)
        hidden["recording_start_ms16"] = hidden.pop("recording_start_ms").removeprefix("16")
        event = parse_event(hidden)
        assert event.key == parse_event(CONFERENCE_WEBHOOK).key
        assert event.recording is not None
        assert event.recording.started_at is None

    def test_several_hidden_fields_are_found(self) -> None:
        # A recording that still runs would have ended, by one of two names or by all.
        begun = {
            **{name: CONFERENCE_WEBHOOK[name] for name in ("record_url", "recording_id")},
            "recording_duration": "-1",
            "recording_duration_ms": "-1",
            "conference_name": "a",
        }
        hidden = {**begun, "recording_duration": "-1recording_duration_ms-1"}
        del hidden["recording_duration_ms"]
        assert webhook_requests.parse_and_check(SCHEME, build_request(hidden), NOW) is None
        text = f"arecord_url{RECORD_URL}recording_duration-1recording_duration_ms-1"
        hidden = {"conference_name": text, "recording_id": ID}
        assert webhook_requests.parse_and_check(SCHEME, build_request(hidden), NOW) is None

    def test_parameters_hidden_in_the_query_are_found(self) -> None:
        # Query and parameters are signed with a dot between them, and the URL has dots, too.
        url = f"{URL}?tenant=acme"
        signed = sign(CALL_WEBHOOK, url=url)
        text = "".join(name + CALL_WEBHOOK[name] for name in sorted(CALL_WEBHOOK))
        before, after = text.split(".plivo.com/", 1)
        name, value = f"plivo.com/{after}".split("recording_id", 1)
        hidden = {f"{name}": "", "recording_id": value.split("recording_start_ms")[0]}
        hidden["recording_start_ms"] = CALL_WEBHOOK["recording_start_ms"]
        request = build_request(hidden, signed, url=f"{url}.{quote(before, safe='')}")
        assert is_accepted(request)
        assert webhook_requests.parse_and_check(SCHEME, request, NOW) is None

    def test_a_boundary_moved_in_a_query_is_found(self) -> None:
        moved = dict(CONFERENCE_WEBHOOK)
        moved["conference_name"] += f"&record_url={moved.pop('record_url')}"
        request, genuine = build_get_request(moved), build_get_request(CONFERENCE_WEBHOOK)
        assert SCHEME.parse(genuine, account="default", now=NOW)
        assert webhook_requests.parse_and_check(SCHEME, request, NOW) is None

    @pytest.mark.parametrize(
        ("sample", "name", "fields"),
        [
            (RECORD_WEBHOOK, "ConferenceName", FORGED),
            (CONFERENCE_WEBHOOK, "conference_name", FORGED),
            (FAILURE_WEBHOOK, "MPCName", FORGED),
            (FAILURE_WEBHOOK, "MPCName", {**FAILURE, "EventTimestamp": "1649759930"}),
        ],
    )
    @pytest.mark.parametrize("before", ["a", "a."])
    def test_a_get_sent_again_as_a_post_is_rejected(
        self, sample: Any, name: str, fields: Mapping[str, str], before: str
    ) -> None:
        # Plivo signs no method. A conference's name contains the forged fields of the POST.
        hidden = "".join(each + fields[each] for each in sorted(fields))
        named = {**sample, name: f"{before}{hidden}z"}
        text = "&".join(f"{each}={named[each]}" for each in sorted(named))
        signature = sign({}, url=f"{URL}?{quote(text, safe='&=')}")
        assert is_accepted(build_get_request(named, signature))
        start = text.index(hidden)
        query, head = f"?{quote(text[: start - 1], safe='&=')}", ""
        if before == "a":
            query, head = "", text[:start]
        forged = {**fields, head: "", text[start + len(hidden) :]: ""}
        request = build_request(dict(sorted(forged.items())), signature, url=f"{URL}{query}")
        assert is_accepted(request)
        assert webhook_requests.parse_and_check(SCHEME, request, NOW) is None

    @pytest.mark.parametrize("query", ["", "Tenant=acme"])
    @pytest.mark.parametrize(
        ("sample", "name"),
        [
            (XML_WEBHOOK, "X-PH-Note"),
            (CONFERENCE_WEBHOOK, "conference_name"),
            (MEETING_WEBHOOK, "MPCName"),
            (TRANSCRIPT_WEBHOOK, "z"),
        ],
    )
    def test_a_post_sent_again_as_a_get_is_rejected(
        self, sample: Any, name: str, query: str
    ) -> None:
        hidden = "".join(f"&{each}={FORGED[each]}" for each in sorted(FORGED))
        named = {**sample, name: f"={hidden}&zz="}
        signature = sign(named, url=f"{URL}?{query}" if query else URL)
        text = f"{query}." if query else ""
        text += "".join(each + named[each] for each in sorted(named))
        pairs = (each.partition("=") for each in text.split("&"))
        request = build_get_request({one: value for one, _, value in pairs}, signature)
        assert is_accepted(request)
        assert webhook_requests.parse_and_check(SCHEME, request, NOW) is None

    @pytest.mark.parametrize("sample", SAMPLES)
    def test_a_callers_text_like_a_query_costs_nothing(self, sample: Any) -> None:
        for value in ("a=b&c=d", "&recording_id=7&", "https://a.example/?recording_id=7&z=1"):
            event = parse_event({**sample, "X-PH-Note": value})
            assert event.recording_id == ID
        if "RecordUrl" in sample:  # the name of a query's first parameter would contain a URL
            value = f"=&record_url={RECORD_URL}&recording_id=7"
            assert parse_event({**sample, "X-PH-Note": value}).recording_id == ID

    @pytest.mark.parametrize("sample", SAMPLES)
    def test_a_fields_name_in_a_get_costs_nothing(self, sample: Any) -> None:
        for value in ("recording_id7", f"record_url{RECORD_URL}", "EventNameMPCRecordingFailed"):
            request = build_get_request({**sample, "X-PH-Note": value})
            (event,) = SCHEME.parse(request, account="default", now=NOW)
            assert event.recording_id == ID

    def test_a_text_that_can_be_split_in_too_many_ways_is_rejected_quickly(self) -> None:
        parameters = {**CONFERENCE_WEBHOOK, "conference_name": "conference_name" * 5000}
        started = time.perf_counter()
        assert webhook_requests.parse_and_check(SCHEME, build_request(parameters), NOW) is None
        assert time.perf_counter() - started < 2

    def test_unknown_names_may_contain_the_names_of_fields(self) -> None:
        more = {"ParentCallUUID": "1", "SIP-H-X-CallUUID": "2", "RecordingEndReason": "maxLength"}
        assert parse_event({**XML_WEBHOOK, **more}).key == parse_event(XML_WEBHOOK).key

    def test_a_multiparty_calls_webhook_without_its_event_name_is_not_the_end(self) -> None:
        parameters = {name: value for name, value in MEETING_WEBHOOK.items() if name != "EventName"}
        event = parse_event(parameters)
        assert (event.kind, event.status) == ("updated", "unknown")

    @pytest.mark.parametrize(
        "body",
        [
            *(b'{"recording_id": NaN}', b'{"a":' * 200, b"a=%ff", b"a=\xff", b"{", b"&" * 2000),
            *(b"response=%7B", b'{"recording_id":["a"]}', b'{"recording_id":true}'),
        ],
    )
    def test_a_malformed_body_is_rejected(self, body: bytes) -> None:
        assert webhook_requests.parse_and_check(SCHEME, build_request(body), NOW) is None

    @pytest.mark.parametrize("body", webhook_requests.BODIES.values(), ids=webhook_requests.BODIES)
    def test_a_body_that_is_not_a_form_yields_no_event(self, body: bytes) -> None:
        assert not webhook_requests.parse_and_check(SCHEME, build_request(body), NOW)

    @pytest.mark.parametrize("url", ["https://[", "?a=%ff", "?" + "%41" * 6000])
    def test_a_malformed_query_is_rejected(self, url: str) -> None:
        request = evolve(build_get_request({}), url=url)
        assert webhook_requests.parse_and_check(SCHEME, request, NOW) is None

    @settings(max_examples=400, deadline=None)
    @given(
        parameters=st.sampled_from(SAMPLES),
        name=st.sampled_from(sorted({name for sample in SAMPLES for name in sample})),
        value=st.text(max_size=30)
        | st.sampled_from(["-1", "0", "1439288665310", "9" * 15, "2022-04-12 16:08:42+05:30", ID]),
    )
    def test_any_value_of_one_field_yields_documented_types_only(
        self, parameters: Mapping[str, str], name: str, value: str
    ) -> None:
        webhook_requests.parse_and_check(SCHEME, build_request({**parameters, name: value}), NOW)

    @settings(max_examples=300, deadline=None)
    @given(
        payload=webhook_requests.generate_json_bodies(
            [ID, "MPCRecordingPaused", RECORD_URL],
            sorted({*MEETING_WEBHOOK, *CALL_WEBHOOK, "response"}),
        )
    )
    def test_any_payload_yields_documented_types_only(self, payload: object) -> None:
        webhook_requests.parse_and_check(SCHEME, build_request(json.dumps(payload).encode()), NOW)

    @settings(deadline=None)
    @given(body=st.binary(max_size=300), url=st.text(max_size=60))
    def test_any_bytes_are_rejected_or_yield_documented_types(self, body: bytes, url: str) -> None:
        request = build_request(body, url=url)
        webhook_requests.parse_and_check(SCHEME, request, NOW)
        webhook_requests.parse_and_check(SCHEME, evolve(request, method="GET"), NOW)
