"""Response bodies: any bytes become a value of a documented type, or one of our errors."""

from __future__ import annotations

import gzip
import json
import math
import pickle
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core import MalformedPayload, ProviderError, RecordingError, Rejected, Unavailable
from recording_core.model import strict_json as decoding
from recording_core.redaction import (
    CREDENTIAL_FIELDS,
    MOST_EXCERPT,
    MOST_WORDS,
    Secrets,
    escape_controls,
    redact_payload,
    redact_text,
    redact_url,
    shorten_text,
)
from recording_core.testing import Reply, Request
from recording_core.transport.client import Transport
from recording_core.transport.status_codes import ErrorDetails

Serve = Callable[..., tuple[str, list[Request]]]
MakeTransport = Callable[..., Transport]

JSON = {"Content-Type": "application/json"}


def get(serve: Serve, transport: MakeTransport, reply: Reply, **settings: Any) -> Any:
    origin, _ = serve(reply)
    return transport(origin, retries=0, **settings).get("thing", operation="get").payload


# -- bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunked", "none"])
def test_response_is_read_up_to_its_size_limit(
    serve: Serve, transport: MakeTransport, framing: Any
) -> None:
    """T7."""
    body = b'"' + b"x" * 99_998 + b'"'
    reply = Reply(200, body, JSON, framing=framing)
    assert get(serve, transport, reply, max_json_bytes=100_000) == "x" * 99_998
    with pytest.raises(MalformedPayload, match="max_json_bytes"):
        get(serve, transport, reply, max_json_bytes=99_999)


@pytest.mark.parametrize("status", [200, 302, 500])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_decompression_bomb_is_limited(
    serve: Serve, transport: MakeTransport, encoding: str, status: int
) -> None:
    """T7: 64 MiB of spaces are compressed to 64 KiB."""
    spaces = b" " * 1024 * 1024
    packer = zlib.compressobj(9, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    body = b"".join(packer.compress(spaces) for _ in range(64)) + packer.flush()
    reply = Reply(status, body, {**JSON, "Content-Encoding": encoding, "Location": "//e.test/"})
    tracemalloc.start()
    try:
        with pytest.raises(ProviderError):
            get(serve, transport, reply, max_json_bytes=8 * 1024 * 1024)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 * 1024 * 1024


def test_compressed_json_is_read(serve: Serve, transport: MakeTransport) -> None:
    body = gzip.compress(b'{"a": 1}')
    assert get(serve, transport, Reply(200, body, {**JSON, "Content-Encoding": "gzip"})) == {"a": 1}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_broken_compression_raises_malformed_payload(
    serve: Serve, transport: MakeTransport, encoding: str
) -> None:
    with pytest.raises(MalformedPayload):
        get(serve, transport, Reply(200, b"\xffnot so", {**JSON, "Content-Encoding": encoding}))


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Long": "x" * 100_000},
        {f"X-{number}": "x" for number in range(200)},
        {"Content-Length": "9" * 5000},
        {"Transfer-Encoding": "chunked, chunked"},
        {"Content-Type": "\xff\xfe; charset=\x01"},
        {"Retry-After": "\xb2"},
    ],
    ids=["long", "many", "length", "transfer", "type", "digit"],
)
@pytest.mark.parametrize("status", [200, 429, 500])
def test_hostile_headers_give_a_value_or_a_typed_error(
    serve: Serve, transport: MakeTransport, headers: dict[str, str], status: int
) -> None:
    """P1, T7."""
    try:
        payload = get(
            serve, transport, Reply(status, b"{}", headers, framing="none"), total_timeout=2.0
        )
    except ProviderError:
        return
    assert payload in ({}, None)


# -- JSON -----------------------------------------------------------------------------------------

INVALID_JSON = {
    "deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "-Infinity": b'{"a": -Infinity}',
    "two byte order marks": b'\xef\xbb\xbf\xef\xbb\xbf{"a": 1}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "Latin-1": '{"a": "\xe9"}'.encode("latin-1"),
    "surrogates in UTF-8": b'"\xed\xa0\x80"',
    "overlong UTF-8": b'"\xc0\xaf"',
    "a control character": b'{"a": "\x01"}',
    "a comment": b'{"a": 1} // yes',
    "a trailing comma": b"[1,]",
    "single quotes": b"{'a': 1}",
    "a leading zero": b"[01]",
    "a plus": b"[+1]",
    "hexadecimal": b"[0x10]",
    "a missing fraction": b"[1.]",
    "a missing integer part": b"[.5]",
    "foreign digits": "[٧]".encode(),
    "two values": b"{} {}",
    "half a value": b'{"a": 1',
    "HTML": b"<!DOCTYPE html><h1>502 Bad Gateway</h1>",
    "plain text": b"upstream connect error",
    "NUL": b"\x00",
    "a form feed": b"\x0c{}",
}


@pytest.mark.parametrize("name", INVALID_JSON)
def test_both_decoders_reject_invalid_json(name: str) -> None:
    """P1, P2: the error does not quote the body."""
    for decode in (decoding.decode_json, decoding.decode_json_plain):
        with pytest.raises(MalformedPayload) as caught:
            decode(INVALID_JSON[name])
        assert len(str(caught.value)) < 120
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", INVALID_JSON)
@pytest.mark.parametrize("status", [200, 404])
def test_response_with_invalid_json_raises_a_typed_error(
    serve: Serve, transport: MakeTransport, name: str, status: int
) -> None:
    """P1: the error contains the beginning of the body."""
    with pytest.raises(MalformedPayload if status == 200 else Unavailable) as caught:
        get(serve, transport, Reply(status, INVALID_JSON[name], {"Content-Type": "text/html"}))
    assert caught.value.status == status
    assert isinstance(caught.value.body, str)
    assert len(caught.value.body) <= 2100
    if status == 200:
        assert "text/html" in str(caught.value)


@pytest.mark.parametrize("depth", [*range(10, 110, 10), *range(150, 1400, 75)])
def test_nested_json_gives_a_usable_value_or_a_typed_error(
    serve: Serve, transport: MakeTransport, depth: int
) -> None:
    """P1: what one step can read must not fail in the next one, deeper in the call stack."""
    body = b'{"a":' * depth + b"1" + b"}" * depth
    for status in (200, 400):
        try:
            payload = get(serve, transport, Reply(status, body, JSON))
        except ProviderError as error:
            payload = error.body
        json.dumps(payload)
        repr(payload)
    for text in (body, body.replace(b"1", b'"[{ \\" }]}]"'), body.replace(b"a", b"[")):
        found = try_decode(decoding.decode_json, text)
        assert found == try_decode(decoding.decode_json_plain, text)
        assert (found is None) is (depth >= 100)


@pytest.mark.parametrize(
    ("text", "value", "unread"),
    [
        (rb'{"a": "\ud83d\ude00"}', {"a": "\U0001f600"}, ()),
        (rb'{"a": "Gala \ud83d", "b": 1}', {"a": "Gala \ufffd", "b": 1}, ("a",)),
        (rb'{"a": "\ude00\ud83d"}', {"a": "\ufffd\ufffd"}, ("a",)),
        (rb'{"a": "\ud83d \ude00"}', {"a": "\ufffd \ufffd"}, ("a",)),
        (rb'{"a": "\\ud83d"}', {"a": "\\ud83d"}, ()),  # a backslash and five characters
        (rb'{"a": "\ud800", "a": 1}', {"a": 1}, ()),
        (rb'{"\ud800": 1}', {"\ufffd": 1}, ("\ufffd",)),
        (b'{"a": 1e999, "b": "x"}', {"a": None, "b": "x"}, ("a",)),
        (b'{"a": -1e999}', {"a": None}, ("a",)),
        (b'{"a": ' + b"9" * 5000 + b"}", {"a": None}, ("a",)),
        (b'{"a": 18446744073709551616}', {"a": None}, ("a",)),
        (b'{"a": -9223372036854775809}', {"a": None}, ("a",)),
        (b'{"a": [1, 1e999, "x"]}', {"a": [1, None, "x"]}, ("a",)),
        (b'{"token": 1e999}', {"token": "***"}, ()),
    ],
)
def test_value_that_cannot_be_represented_costs_that_value_alone(
    text: bytes, value: dict[str, Any], unread: tuple[str, ...]
) -> None:
    for decode in (decoding.decode_json, decoding.decode_json_plain):
        found = decode(text)
        assert found == value
        assert getattr(found, "unread", frozenset()) == set(unread)
        assert pickle.loads(pickle.dumps(found)) == found
        json.dumps(found, allow_nan=False).encode()


def test_byte_order_mark_is_ignored(serve: Serve, transport: MakeTransport) -> None:
    body = b'\xef\xbb\xbf{"a": 1}'
    for decode in (decoding.decode_json, decoding.decode_json_plain):
        assert decode(body) == {"a": 1}
    assert get(serve, transport, Reply(200, body, JSON)) == {"a": 1}
    session = rec.RecordingSession("plivo", "default", "R1", rec.call("C1"))
    assert rec.loads("\ufeff" + rec.dumps(session), rec.RecordingSession) == session


def test_last_of_duplicate_keys_wins_in_both_decoders() -> None:
    for decode in (decoding.decode_json, decoding.decode_json_plain):
        assert decode(b'{"a": 1, "b": 2, "a": 3}') == {"a": 3, "b": 2}


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_empty_response_is_none(serve: Serve, transport: MakeTransport, status: int) -> None:
    assert get(serve, transport, Reply(status)) is None
    assert get(serve, transport, Reply(status, framing="chunked")) is None


@pytest.mark.parametrize(
    "reply",
    [
        evolve(Reply.json({"a": 1}), cut_headers=True),
        evolve(Reply(200, b"", {"Server": "x" * 99}, framing="none"), cut_headers=True),
        Reply(200, framing="none"),
        evolve(Reply.json({"a": 1}), cut_after=4),
        evolve(Reply.json({"a": 1}), framing="chunked", cut_after=6),
        evolve(Reply.json({"a": 1}), abort=True),
    ],
)
def test_cut_response_raises_unavailable(
    serve: Serve, transport: MakeTransport, reply: Reply
) -> None:
    """A response that is cut in its headers looks like an empty one, which means success."""
    with pytest.raises(Unavailable, match="cut"):
        get(serve, transport, reply)


def test_cut_response_without_a_length_is_malformed(serve: Serve, transport: MakeTransport) -> None:
    assert get(serve, transport, evolve(Reply.json({"a": 1}), framing="none")) == {"a": 1}
    with pytest.raises(MalformedPayload):
        get(serve, transport, evolve(Reply.json({"a": 1}), framing="none", cut_after=4))


def are_same(one: Any, other: Any) -> bool:
    """Return whether two values are equal and of the same types: 1, 1.0 and True differ."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(are_same(one[key], other[key]) for key in one)
    if type(one) is list:
        return len(one) == len(other) and all(map(are_same, one, other))
    return bool(one == other) and (not isinstance(one, float) or str(one) == str(other))


def try_decode(decode: Callable[[bytes], Any], data: bytes) -> Any:
    """Decode to a list of one value, or None if the data is not valid."""
    try:
        return [decode(data)]
    except MalformedPayload:
        return None


def try_both(data: bytes) -> tuple[Any, Any]:
    return try_decode(decoding.decode_json, data), try_decode(decoding.decode_json_plain, data)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**66), 2**66)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["token", "s3cr3t", "-0", "1e999"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=6) | st.sampled_from(["token", "apiKey", "x-auth-token", "id"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
TOKENS = st.sampled_from(
    [
        *("{", "}", "[", "]", ":", ",", '"', "\\", "\\u", "d800", "-", "0", "-0", "1", "9" * 19),
        *("e", "E+", ".5", "1e400", "-0.0", "true", "null", "NaN", " ", "\n", "\t", "\x0b", "é"),
        *('"a"', '"token"', "\\ud83d\\ude00", "18446744073709551615", "1e19", "1.8e19", "/"),
    ]
)


@settings(max_examples=600)
@given(VALUES, st.booleans(), st.booleans())
def test_both_decoders_read_every_value_identically(value: Any, ascii: bool, indent: bool) -> None:
    """The accelerated decoder is optional and must not behave differently."""
    text = json.dumps(value, ensure_ascii=ascii, indent=1 if indent else None)
    data = text.encode("utf-8", "surrogatepass")
    one, other = try_both(data)
    assert are_same(one, other)


@settings(max_examples=600)
@given(st.lists(TOKENS, max_size=9).map("".join).map(str.encode) | st.binary(max_size=12))
@example(b"-0")
@example(b"[-0, -0.0, 0e0, 1E+2, 5e-324, 1e-400]")
@example(b"[18446744073709551615, -9223372036854775808]")
@example(b"[18446744073709551616.0]")
@example(b"[1.8446744073709552e19]")
def test_both_decoders_treat_every_text_identically(data: bytes) -> None:
    """P1, P2."""
    one, other = try_both(data)
    assert are_same(one, other), (one, other)


@settings(max_examples=300)
@given(VALUES, st.data())
def test_both_decoders_treat_every_broken_text_identically(value: Any, data: st.DataObject) -> None:
    text = bytearray(json.dumps(value).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    one, other = try_both(bytes(text))
    assert are_same(one, other)


def find_floats(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return [number for item in items for number in find_floats(item)]
    return [value] if isinstance(value, float) else []


@given(VALUES)
def test_every_number_is_finite(value: Any) -> None:
    """P2."""
    found = try_decode(decoding.decode_json, json.dumps(value).encode())
    assert all(map(math.isfinite, find_floats(found)))


# -- credentials in payloads ----------------------------------------------------------------------

CANARY = "canary-9f2c41"
SPELLINGS = [
    spelling
    for name in sorted(CREDENTIAL_FIELDS)
    for spelling in (
        name.replace(" ", "_"),
        name.replace(" ", "-"),
        name.replace(" ", ""),
        name.replace(" ", "_").upper(),
        name.title().replace(" ", ""),
        name.split()[0] + "".join(word.title() for word in name.split()[1:]),
    )
]


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("value", [CANARY, [CANARY], {"a": CANARY}])
def test_credential_field_is_masked_in_every_spelling(name: str, value: Any) -> None:
    data = json.dumps({"rows": [{"a": {name: value, "id": "r1"}}]}).encode()
    for decode in (decoding.decode_json, decoding.decode_json_plain):
        found = decode(data)
        assert CANARY not in repr(found)
        assert found["rows"][0]["a"]["id"] == "r1"


@pytest.mark.parametrize("name", ["token_type", "tokens", "keyword", "secretary", "id", "key_id"])
def test_field_with_a_similar_name_is_not_masked(name: str) -> None:
    assert decoding.decode_json(json.dumps({name: "kept"}).encode()) == {name: "kept"}


@given(VALUES)
def test_masking_is_idempotent_and_keeps_the_structure(value: Any) -> None:
    masked = redact_payload(value)
    assert repr(redact_payload(masked)) == repr(masked)
    if isinstance(value, dict):
        assert list(masked) == list(value)


@given(
    before=st.text(max_size=20),
    after=st.text(max_size=20).map(lambda text: " " + text),
    form=st.sampled_from(
        [
            "https://h.test/a?X-Amz-Signature={}",
            "HTTPS://h.test/a?b=c&sig={}",
            "https://h.test/a#{}",
            "https://user:{}@h.test/a",
            "wss://h.test/a?token={}",
            "rtmps://h.test/a?key={}",
            "https:\\/\\/h.test\\/a?Policy={}",
            "Authorization: Bearer {}",
            "authorization=Basic {}",
            '"auth_token": "{}"',
            "'api_key': '{}'",
            "X-Auth-Token: {}",
            "x-api-key={}",
            "apiToken={}",
            "password = {}",
            "/path?x-goog-signature={}",
            "/path?a=b&api_key={}",
        ]
    ),
)
def test_redacted_text_contains_no_signature_and_no_credential(
    before: str, after: str, form: str
) -> None:
    """X2."""
    text = f"{before} {form.format(CANARY)}{after}"
    assert CANARY not in redact_text(text)
    assert CANARY not in str(RecordingError(text))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h.test/a?X-Sig=1", "https://h.test/a?***"),
        ("https://h.test/a#frag", "https://h.test/a?***"),
        ("https://u:p@h.test/a", "https://h.test/a"),
        ("https://u@h.test:8/a?b", "https://h.test:8/a?***"),
        ("https://h.test/a", "https://h.test/a"),
        (
            "see https://h.test/a?b=1 and http://i.test/?c",
            "see https://h.test/a?*** and http://i.test/?***",
        ),
    ],
)
def test_redacted_url_has_no_query(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@given(st.text(max_size=30), VALUES)
def test_own_credentials_are_masked_at_any_position(text: str, value: Any) -> None:
    secrets = Secrets([CANARY, "", "abc"])
    assert CANARY not in secrets.redact(f"{text}{CANARY}{text}")
    assert CANARY not in repr(secrets.redact_payload([value, {f"a{CANARY}": [f"b{CANARY}c"]}]))
    assert secrets.redact("abc") == "abc"
    assert CANARY not in repr(secrets)
    with pytest.raises(TypeError):
        secrets.__reduce__()


def test_redaction_of_hostile_text_is_fast() -> None:
    """P1: no pattern may take quadratic time."""
    done = threading.Event()

    def run() -> None:
        for piece in ("token" * 9, "https://", "a@", '"token": "\\', "?x-amz-a", "bearer ", "://"):
            redact_text(piece * (100_000 // len(piece)))
        done.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert done.wait(10)


# -- bounds of what an error shows ----------------------------------------------------------------

LONG = 20 * 1024 * 1024
#: 20 MB of what a vendor, or a server in its place, may send with an error.
LONG_BODIES: dict[str, Callable[[], bytes]] = {
    "one message": lambda: json.dumps({"message": "x" * LONG, "code": "y" * LONG}).encode(),
    "a message of URLs": lambda: json.dumps({"message": "https://a@" * (LONG // 10)}).encode(),
    "many words": lambda: json.dumps(
        {"message": "no", "rows": ["token=a"] * (LONG // 11)}
    ).encode(),
    "our credential": lambda: json.dumps({"message": CANARY, "rows": [CANARY] * 999_999}).encode(),
    "a page": lambda: b"<p>password: x " * (LONG // 15),
}


@pytest.mark.parametrize("body", LONG_BODIES)
def test_long_error_takes_little_time_and_shows_little(
    serve: Serve, transport: MakeTransport, body: str
) -> None:
    """T6: redacting all of it took 14 s of the processor's time."""
    origin, _ = serve(Reply(402, LONG_BODIES[body](), {"X-Request-Id": "z" * 60_000}))
    api = transport(
        origin,
        retries=0,
        secrets=[CANARY],
        error_details=lambda status, headers, body: ErrorDetails(
            body["message"], body.get("code"), recognized=True
        ),
    )
    began = time.process_time()
    with pytest.raises(ProviderError) as caught:
        api.get("thing", operation="get")
    # Decoding alone takes half a second.
    assert time.process_time() - began < 4
    error = caught.value
    assert len(error.message) <= MOST_WORDS
    assert len(error.code or "") <= MOST_WORDS
    assert len(error.request_id or "") <= MOST_WORDS
    assert len(repr(error.body)) <= MOST_EXCERPT + 100
    assert CANARY not in repr(vars(error))


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        (CANARY * 9, ()),
        (f"Bearer {CANARY}", (CANARY,)),
        (f"auth_token={CANARY}", ()),
        (f"https://user:{CANARY}@h.test/", ()),
        (f"https://h.test/?sig={CANARY}", ()),
    ],
)
@pytest.mark.parametrize("filler", ["x", "x ", "https://h.test/?", "token=abcdef "])
def test_credential_at_a_cut_is_left_out(text: str, secrets: tuple[str, ...], filler: str) -> None:
    """Also if what is masked before it makes the text shorter than the cut."""
    secrets = secrets or (CANARY,)
    longest = MOST_WORDS + 5000
    for start in range(0, longest, 23):
        padding = (filler * (start // len(filler) + 1))[:start]
        shown = shorten_text(f"{padding} {text}{'y' * longest}", MOST_WORDS, secrets)
        assert len(shown) <= MOST_WORDS
        assert CANARY[:7] not in shown


def test_long_credential_at_a_cut_is_left_out() -> None:
    """A credential may be longer than what is shown."""
    secret = "".join(f"{number:05}" for number in range(2000))
    for start in range(0, 22_000, 99):
        shown = Secrets([secret]).shorten("\n" * start + secret * 3)
        assert "0000100002" not in shown
        assert "0100001001" not in shown


def test_credential_with_quotes_is_masked_in_a_long_body() -> None:
    """The beginning of a long body is kept as JSON, which escapes them."""
    secret = 'p"w\\d-of/9f2c41'
    for body in ({"note": secret, "rows": ["x"] * 40_000}, json.dumps({"note": secret})):
        shown = Secrets([secret]).shorten_payload(body)
        assert shown.startswith('{"note": "***"')
    assert Secrets([secret]).is_echoed_in(json.dumps(secret).encode())


@given(st.text(max_size=40))
def test_short_text_is_redacted_and_not_cut(text: str) -> None:
    assert shorten_text(text) == redact_text(text)


@pytest.mark.parametrize("size", [10, MOST_EXCERPT, 100_000])
def test_long_body_of_an_error_becomes_its_beginning(size: int) -> None:
    body = {"token": CANARY, "rows": [{"api_key": CANARY, "text": "x" * size}]}
    error = Rejected("no", body=body)
    assert CANARY not in repr(vars(error))
    if size < 100_000:
        assert error.body == {"token": "***", "rows": [{"api_key": "***", "text": "x" * size}]}
    else:
        assert error.body.startswith('{"token": ***, "rows": [')
        assert len(error.body) == MOST_EXCERPT


@pytest.mark.parametrize(
    "character",
    [*map(chr, (*range(32), *range(127, 160))), *"\u061c\u200e\u200f\u2028\u2029"]
    + [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF, 0xDC80)],
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_controls_are_escaped_as_in_json(character: str) -> None:
    shown = escape_controls(f"a{character}b")
    assert shown.isascii()
    assert shown.isprintable()
    assert json.loads(f'"{shown}"') == f"a{character}b"
    assert escape_controls(shown) == shown


@pytest.mark.parametrize("text", ["größe", "会議", "\U0001f469\u200d\U0001f4bb", "a\u00a0b", "\\"])
def test_other_characters_are_kept(text: str) -> None:
    assert escape_controls(text) == text
