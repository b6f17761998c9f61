"""What can a vendor's bytes do to us? Become a value of a documented type, or one of our errors."""

from __future__ import annotations

import gzip
import json
import math
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recording_core import MalformedPayload, NotFound, ProviderError, RecordingError, Unavailable
from recording_core.model import strict_json as decoding
from recording_core.plugin import readers
from recording_core.redaction import (
    CREDENTIAL_FIELDS,
    Secrets,
    redact_payload,
    redact_text,
    redact_url,
)
from recording_core.testing import Reply, Request
from recording_core.transport.client import Transport

Serve = Callable[..., tuple[str, list[Request]]]
MakeTransport = Callable[..., Transport]

JSON = {"Content-Type": "application/json"}


def get(serve: Serve, transport: MakeTransport, reply: Reply, **settings: Any) -> Any:
    origin, _ = serve(reply)
    return transport(origin, retries=0, **settings).get("thing", operation="get").payload


# -- bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunked", "none"])
def test_an_answer_is_read_up_to_its_bound(
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
def test_a_bomb_does_not_explode(
    serve: Serve, transport: MakeTransport, encoding: str, status: int
) -> None:
    """T7: 64 MiB of spaces in 64 KiB."""
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
def test_broken_compression_is_a_typed_error(
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
def test_hostile_headers_are_a_value_or_a_typed_error(
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

NO_JSON = {
    "deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "-Infinity": b'{"a": -Infinity}',
    "1e999": b'{"a": 1e999}',
    "-1e999": b'{"a": -1e999}',
    "5000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "2**64": b'{"a": 18446744073709551616}',
    "-2**63 - 1": b'{"a": -9223372036854775809}',
    "a lone surrogate": b'{"a": "\\ud800"}',
    "a lone surrogate as a key": b'{"\\uDFFF": 1}',
    "surrogates the wrong way round": b'["\\udc00\\ud800"]',
    "a byte order mark": b'\xef\xbb\xbf{"a": 1}',
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
    "no fraction": b"[1.]",
    "no whole": b"[.5]",
    "foreign digits": "[٧]".encode(),
    "two values": b"{} {}",
    "half a value": b'{"a": 1',
    "HTML": b"<!DOCTYPE html><h1>502 Bad Gateway</h1>",
    "words": b"upstream connect error",
    "NUL": b"\x00",
    "a form feed": b"\x0c{}",
}


@pytest.mark.parametrize("name", NO_JSON)
def test_what_is_no_json_is_refused_by_both_decoders(name: str) -> None:
    """P1, P2: with one error, which does not quote what it read."""
    for decode in (decoding.decode_json, decoding.decode_json_plain):
        with pytest.raises(MalformedPayload) as caught:
            decode(NO_JSON[name])
        assert len(str(caught.value)) < 120
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", NO_JSON)
@pytest.mark.parametrize("status", [200, 404])
def test_what_is_no_json_is_a_typed_answer(
    serve: Serve, transport: MakeTransport, name: str, status: int
) -> None:
    """P1: with the body's beginning beside it, where the status alone does not tell."""
    with pytest.raises(MalformedPayload if status == 200 else NotFound) as caught:
        get(serve, transport, Reply(status, NO_JSON[name], {"Content-Type": "text/html"}))
    assert caught.value.status == status
    assert isinstance(caught.value.body, str)
    assert len(caught.value.body) <= 2100
    if status == 200:
        assert "text/html" in str(caught.value)


@pytest.mark.parametrize("depth", [*range(10, 110, 10), *range(150, 1400, 75)])
def test_nesting_is_a_value_that_everything_can_take_or_a_typed_error(
    serve: Serve, transport: MakeTransport, depth: int
) -> None:
    """P1: what one step can just bear must not fail in the next, which is called from deeper."""
    body = b'{"a":' * depth + b"1" + b"}" * depth
    for status in (200, 400):
        try:
            payload = get(serve, transport, Reply(status, body, JSON))
        except ProviderError as error:
            payload = error.body
        json.dumps(payload)
        repr(payload)
    for text in (body, body.replace(b"1", b'"[{ \\" }]}]"'), body.replace(b"a", b"[")):
        found = verdict(decoding.decode_json, text)
        assert found == verdict(decoding.decode_json_plain, text)
        assert (found is None) is (depth >= 100)


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        (rb'{"a": "\ud83d\ude00"}', True),
        (rb'{"a": "\ud83d"}', False),
        (rb'{"a": "\ude00"}', False),
        (rb'{"a": "\ude00\ud83d"}', False),
        (rb'{"a": "\ud83d \ude00"}', False),
        (rb'{"a": "\\ud83d"}', True),  # a backslash, and five letters
        (rb'{"a": "\\\uD83D"}', False),
        (rb'{"apiKey": {"b": ["\ud800udc00"]}}', False),
        (rb'{"a": "\ud800", "a": 1}', False),
        (rb'{"\ud800": 1}', False),
    ],
)
def test_a_lone_surrogate_is_refused_wherever_it_stands(text: bytes, sound: bool) -> None:
    for decode in (decoding.decode_json, decoding.decode_json_plain):
        assert (verdict(decode, text) is not None) is sound


def test_of_doubled_keys_the_last_wins_in_both_decoders() -> None:
    for decode in (decoding.decode_json, decoding.decode_json_plain):
        assert decode(b'{"a": 1, "b": 2, "a": 3}') == {"a": 3, "b": 2}


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_an_empty_answer_is_none(serve: Serve, transport: MakeTransport, status: int) -> None:
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
def test_a_cut_answer_is_no_answer(serve: Serve, transport: MakeTransport, reply: Reply) -> None:
    """An answer that is cut in its headers looks like an empty one, which means success."""
    with pytest.raises(Unavailable, match="cut"):
        get(serve, transport, reply)


def test_a_cut_answer_without_a_length_is_malformed(serve: Serve, transport: MakeTransport) -> None:
    assert get(serve, transport, evolve(Reply.json({"a": 1}), framing="none")) == {"a": 1}
    with pytest.raises(MalformedPayload):
        get(serve, transport, evolve(Reply.json({"a": 1}), framing="none", cut_after=4))


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types: 1, 1.0 and True are three values."""
    if type(one) is not type(other):
        return False
    if type(one) is dict:
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if type(one) is list:
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and (not isinstance(one, float) or str(one) == str(other))


def verdict(decode: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return [decode(data)]
    except MalformedPayload:
        return None


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
def test_both_decoders_read_every_value_alike(value: Any, ascii: bool, indent: bool) -> None:
    """The accelerated one is an extra, and never another dialect."""
    text = json.dumps(value, ensure_ascii=ascii, indent=1 if indent else None)
    data = text.encode("utf-8", "surrogatepass")
    assert same(verdict(decoding.decode_json, data), verdict(decoding.decode_json_plain, data))


@settings(max_examples=600)
@given(st.lists(TOKENS, max_size=9).map("".join).map(str.encode) | st.binary(max_size=12))
@example(b"-0")
@example(b"[-0, -0.0, 0e0, 1E+2, 5e-324, 1e-400]")
@example(b"[18446744073709551615, -9223372036854775808]")
@example(b"[18446744073709551616.0]")
@example(b"[1.8446744073709552e19]")
def test_both_decoders_judge_every_text_alike(data: bytes) -> None:
    """P1, P2."""
    one, other = verdict(decoding.decode_json, data), verdict(decoding.decode_json_plain, data)
    assert same(one, other), (one, other)


@settings(max_examples=300)
@given(VALUES, st.data())
def test_both_decoders_judge_every_broken_text_alike(value: Any, data: st.DataObject) -> None:
    text = bytearray(json.dumps(value).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    found = bytes(text)
    assert same(verdict(decoding.decode_json, found), verdict(decoding.decode_json_plain, found))


def numbers_of(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return [number for item in items for number in numbers_of(item)]
    return [value] if isinstance(value, float) else []


@given(VALUES)
def test_no_number_is_other_than_finite(value: Any) -> None:
    """P2."""
    found = verdict(decoding.decode_json, json.dumps(value).encode())
    assert all(map(math.isfinite, numbers_of(found)))


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
def test_a_credential_field_is_masked_however_it_is_spelt(name: str, value: Any) -> None:
    data = json.dumps({"rows": [{"a": {name: value, "id": "r1"}}]}).encode()
    for decode in (decoding.decode_json, decoding.decode_json_plain):
        found = decode(data)
        assert CANARY not in repr(found)
        assert found["rows"][0]["a"]["id"] == "r1"


@pytest.mark.parametrize("name", ["token_type", "tokens", "keyword", "secretary", "id", "key_id"])
def test_a_field_that_only_sounds_like_one_is_kept(name: str) -> None:
    assert decoding.decode_json(json.dumps({name: "kept"}).encode()) == {name: "kept"}


@given(VALUES)
def test_masking_twice_is_masking_once_and_changes_no_shape(value: Any) -> None:
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
def test_no_text_keeps_what_signs_or_signs_in(before: str, after: str, form: str) -> None:
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
def test_a_url_is_shown_without_its_query(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@given(st.text(max_size=30), VALUES)
def test_own_credentials_are_masked_wherever_they_are_echoed(text: str, value: Any) -> None:
    secrets = Secrets([CANARY, "", "abc"])
    assert CANARY not in secrets.redact(f"{text}{CANARY}{text}")
    assert CANARY not in repr(secrets.redact_payload([value, {f"a{CANARY}": [f"b{CANARY}c"]}]))
    assert secrets.redact("abc") == "abc"
    assert CANARY not in repr(secrets)
    with pytest.raises(TypeError):
        secrets.__reduce__()


def test_a_hostile_text_is_redacted_in_no_time() -> None:
    """P1: no pattern may need the square of what it reads."""
    done = threading.Event()

    def run() -> None:
        for piece in ("token" * 9, "https://", "a@", '"token": "\\', "?x-amz-a", "bearer ", "://"):
            redact_text(piece * (100_000 // len(piece)))
        done.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert done.wait(10)


# -- readers --------------------------------------------------------------------------------------

ANYTHING = (
    VALUES
    | st.text()
    | st.sampled_from(
        [
            *("2026-06-01T12:00:00Z", "2026-06-01 12:00:00", "2026-06-01", "2026-W01-1T00:00:00"),
            *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "20260601T1200000000"),
            *("٢٠٢٦-06-01T12:00:00", "12", "-1", "1.5", "1_000", "١٢", "1e5", " 1", "9" * 5000),
            *("1780315200000", "1780315200", "nan", "inf", "\ud800" * 19),
        ]
    )
)
READERS: list[tuple[Callable[..., Any], type | tuple[type, ...], bool]] = [
    (readers.text, str, False),
    (readers.obj, dict, False),
    (readers.array, list, False),
    (readers.count, int, True),
    (readers.decimal, Decimal, True),
    (readers.seconds, timedelta, False),
    (readers.milliseconds, timedelta, True),
    (readers.epoch_milliseconds, datetime, True),
    (readers.instant, datetime, False),
]


@pytest.mark.parametrize(("reader", "kind", "quotable"), READERS)
@settings(max_examples=300)
@given(value=ANYTHING)
def test_a_reader_gives_its_type_or_none_or_refuses_without_a_word_of_the_value(
    reader: Callable[..., Any], kind: type, quotable: bool, value: Any
) -> None:
    """P1, P2."""
    for options in ({}, {"quoted": True}) if quotable else ({},):
        try:
            found = reader(value, "a.path", **options)
        except MalformedPayload as refusal:
            told = f"{refusal.path}: {refusal}"
            assert told.startswith("a.path: field 'a.path' is not ")
            assert not isinstance(value, str) or len(value) < 19 or value not in told
            continue
        assert found is None or type(found) is kind
        if isinstance(found, datetime):
            assert found.tzinfo is UTC
            assert 2000 <= found.year < 2100
        if isinstance(found, timedelta):
            assert found >= timedelta(0)
        if kind is int and found is not None:
            assert isinstance(found, int)
            assert found >= 0


@pytest.mark.parametrize("value", [None, "", " ", 0, 1, True, [], {}, ["r1"]])
def test_an_id_must_be_there(value: Any) -> None:
    """P3."""
    with pytest.raises(MalformedPayload, match="'id'"):
        readers.required_text(value, "id")


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        (readers.count, True),
        (readers.count, 1.0),
        (readers.count, -1),
        (readers.count, "7"),
        (readers.count, 2**63),
        (readers.decimal, True),
        (readers.decimal, "1.5"),
        (readers.seconds, "5"),
        (readers.seconds, -0.1),
        (readers.seconds, 1e300),
        (readers.milliseconds, -1),
        (readers.epoch_milliseconds, 1_780_315_200),
        (readers.epoch_milliseconds, 1_780_315_200_000_000),
        (readers.instant, 1_780_315_200),
        (readers.instant, "2026-06-01"),
        (readers.instant, "1999-12-31T23:59:59Z"),
        (readers.instant, "2100-01-01T00:00:00Z"),
        (readers.text, 7),
        (readers.text, ["a"]),
        (readers.text, False),
        (readers.obj, []),
        (readers.array, {}),
    ],
)
def test_no_type_becomes_another(reader: Callable[..., Any], value: Any) -> None:
    """P2, P4."""
    with pytest.raises(MalformedPayload):
        reader(value, "field")


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (readers.count("7", "a", quoted=True), 7),
        (readers.decimal("1.50", "a", quoted=True), Decimal("1.50")),
        (readers.decimal("", "a", quoted=True), None),
        (readers.seconds(1.5, "a"), timedelta(seconds=1.5)),
        (readers.milliseconds(1500, "a"), timedelta(seconds=1.5)),
        (
            readers.epoch_milliseconds(1_780_315_200_000, "a"),
            datetime(2026, 6, 1, 12, 0, tzinfo=UTC),
        ),
        (readers.instant("2026-06-01 12:00:00", "a"), datetime(2026, 6, 1, 12, 0, tzinfo=UTC)),
        (readers.instant("2026-06-01T14:00:00+02:00", "a"), datetime(2026, 6, 1, 12, tzinfo=UTC)),
        (readers.text("", "a"), None),
    ],
)
def test_what_vendors_document_is_read(found: Any, wanted: Any) -> None:
    assert found == wanted


@given(st.integers(946_684_800_000, 4_102_444_799_999), st.integers(0, 20))
def test_whole_milliseconds_are_exact_however_many_zeros_follow(at: int, zeros: int) -> None:
    """What is whole takes a shorter way than decimal arithmetic, to the same moment."""
    epoch, step = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
    fraction = f".{'0' * zeros}" if zeros else ""
    for value in (f"{at}{fraction}", f"0{at}{fraction}"):
        assert readers.epoch_milliseconds(value, "a", quoted=True) == epoch + step * at
        short = at % 3_153_600_000_001
        assert readers.milliseconds(f"{short}{fraction}", "a", quoted=True) == step * short


@pytest.mark.parametrize("value", ["946684799999.0", "4102444800000.00000", "99999999999999999.0"])
def test_whole_milliseconds_keep_their_bounds(value: str) -> None:
    with pytest.raises(MalformedPayload):
        readers.epoch_milliseconds(value, "a", quoted=True)
    if len(value) > 18:
        with pytest.raises(MalformedPayload):
            readers.milliseconds(value, "a", quoted=True)
