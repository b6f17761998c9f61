"""Fields: every field of a payload is read on its own, and what cannot be read is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recording_core import MalformedPayload, SessionKind, call
from recording_core.model.strict_json import decode_json
from recording_core.plugin import Fields

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
ANYTHING = (
    VALUES
    | st.text()
    | st.sampled_from(
        [
            *("2026-06-01T12:00:00Z", "2026-06-01 12:00:00", "2026-06-01", "2026-W01-1T00:00:00"),
            *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "20260601T1200000000"),
            *("٢٠٢٦-06-01T12:00:00", "12", "-1", "1.5", "1_000", "١٢", "1e5", " 1", "9" * 5000),
            *("1780315200000", "1780315200", "nan", "inf", "\ud800" * 19),
            *("Mon, 01 Jun 2026 12:00:00 +0000", "Mon, 99 Jun 2026 12:00:00 +9999"),
        ]
    )
)
#: method -> the type of its value, and each of its options
READERS: dict[str, tuple[type, list[dict[str, Any]]]] = {
    "text": (str, [{}]),
    "url": (str, [{}]),
    "flag": (bool, [{}]),
    "object": (Fields, [{}]),
    "array": (list, [{}]),
    "count": (int, [{}, {"quoted": True}]),
    "number": (Decimal, [{}, {"quoted": True}]),
    "seconds": (timedelta, [{}, {"quoted": True}]),
    "milliseconds": (timedelta, [{}, {"quoted": True}]),
    "instant": (
        datetime,
        [
            {},
            *(
                {"epoch": epoch, "quoted": quoted}
                for epoch in ("seconds", "milliseconds")
                for quoted in (False, True)
            ),
        ],
    ),
}


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=300)
@given(value=ANYTHING)
def test_field_is_read_or_named_and_never_raises(name: str, value: Any) -> None:
    """P1, P2."""
    kind, options = READERS[name]
    for each in options:
        fields = Fields({"a": value})
        found = getattr(fields, name)("a", **each)
        assert found is None or type(found) is kind
        assert fields.unread in ((), ("a",))
        assert found is None or not fields.unread
        if found is None and value is not None and value != "":
            assert fields.unread == ("a",)
        if isinstance(found, datetime):
            assert found.tzinfo is UTC
            assert 2000 <= found.year < 2100
        if isinstance(found, timedelta):
            assert found >= timedelta(0)
        if name == "count" and found is not None:
            assert found >= 0


@pytest.mark.parametrize("value", [None, "", " ", 0, 1, True, [], {}, ["r1"]])
def test_missing_id_raises_malformed_payload(value: Any) -> None:
    """P3."""
    with pytest.raises(MalformedPayload, match="'id'"):
        Fields({"id": value}).required_text("id")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("r\u200b1", r"r\u200b1"),
        ("r\u202e1", r"r\u202e1"),
        ("r\n1", r"r\n1"),
        ("r\x001", r"r\x001"),
        ("r\ufffd1", r"r\ufffd1"),
        (".", "."),
        ("..", ".."),
        ("1" * 1001, "1" * 80),
        ("ß" * 1001, r"\xdf" * 80),
    ],
)
def test_id_that_no_request_can_carry_is_named_and_escaped(value: str, shown: str) -> None:
    with pytest.raises(MalformedPayload) as caught:
        Fields({"id": value}).required_text("id")
    assert caught.value.message == f"The field 'id' cannot be an id: '{shown}'"
    fields = Fields({"call_id": value})
    assert fields.target(SessionKind.CALL, "call_id") is None
    assert fields.unread == ("call_id",)


@pytest.mark.parametrize("value", ["1" * 1000, "r1", "a b", "größe", "...", "-", "中文", "r.1"])
def test_id_that_a_request_can_carry_is_read(value: str) -> None:
    fields = Fields({"id": value})
    assert fields.required_text("id") == value
    assert fields.target(SessionKind.CALL, "id") == call(value)
    assert fields.unread == ()


@pytest.mark.parametrize(
    ("name", "options", "value"),
    [
        ("count", {}, True),
        ("count", {}, 1.0),
        ("count", {}, -1),
        ("count", {}, "7"),
        ("count", {}, 2**63),
        ("number", {}, True),
        ("number", {}, "1.5"),
        ("seconds", {}, "5"),
        ("seconds", {}, -0.1),
        ("seconds", {}, 1e300),
        ("milliseconds", {}, -1),
        ("instant", {"epoch": "milliseconds"}, 1_780_315_200),
        ("instant", {"epoch": "milliseconds"}, 1_780_315_200_000_000),
        ("instant", {"epoch": "seconds"}, 1_780_315_200_000),
        ("instant", {"epoch": "seconds"}, "2026-06-01T12:00:00Z"),
        ("instant", {}, 1_780_315_200),
        ("instant", {}, "2026-06-01"),
        ("instant", {}, "0000-00-00"),
        ("instant", {}, "0001-01-01T00:00:00Z"),
        ("instant", {}, "1999-12-31T23:59:59Z"),
        ("instant", {}, "2100-01-01T00:00:00Z"),
        ("instant", {}, "Sat, 02 Jan 1999 10:00:00 +0000"),
        ("text", {}, 7),
        ("text", {}, ["a"]),
        ("text", {}, False),
        ("flag", {}, "true"),
        ("flag", {}, 1),
        ("object", {}, []),
        ("array", {}, {}),
    ],
)
def test_value_of_another_type_or_form_is_named(
    name: str, options: dict[str, Any], value: Any
) -> None:
    """P2, P4."""
    fields = Fields({"a": value})
    assert getattr(fields, name)("a", **options) is None
    assert fields.unread == ("a",)
    assert fields.is_unread("a")


@pytest.mark.parametrize(
    ("read", "value", "wanted"),
    [
        (lambda it: it.count("a", quoted=True), "7", 7),
        (lambda it: it.number("a", quoted=True), "1.50", Decimal("1.50")),
        (lambda it: it.number("a", quoted=True), "", None),
        (lambda it: it.seconds("a"), 1.5, timedelta(seconds=1.5)),
        (lambda it: it.seconds("a", quoted=True), "15", timedelta(seconds=15)),
        (lambda it: it.milliseconds("a"), 1500, timedelta(seconds=1.5)),
        (lambda it: it.instant("a", epoch="milliseconds"), 1_780_315_200_000, NOON),
        (lambda it: it.instant("a", epoch="seconds"), 1_780_315_200, NOON),
        (lambda it: it.instant("a", epoch="seconds", quoted=True), "1780315200", NOON),
        (lambda it: it.instant("a"), "2026-06-01 12:00:00", NOON),
        (lambda it: it.instant("a"), "2026-06-01T14:00:00+02:00", NOON),
        (lambda it: it.instant("a"), "Mon, 01 Jun 2026 14:00:00 +0200", NOON),
        (lambda it: it.instant("a"), "01 Jun 2026 12:00:00 GMT", NOON),
        (lambda it: it.instant("a"), "01 Jun 2026 08:00:00 EDT", NOON),
        (lambda it: it.instant("a"), "01 Jun 2026 12:00:00 -0000", NOON),
        (lambda it: it.instant("a"), "Mon, 1 Jun 2026 12:00:00 +0000", NOON),
        (lambda it: it.instant("a"), "Mon, 01 Jun 2026 13:00 +0100", NOON),
        (lambda it: it.flag("a"), False, False),
        (lambda it: it.text("a"), "", None),
    ],
)
def test_documented_values_are_read(read: Callable[[Fields], Any], value: Any, wanted: Any) -> None:
    fields = Fields({"a": value})
    assert read(fields) == wanted
    assert fields.unread == ()


@pytest.mark.parametrize("zone", ["CET", "IST", "JST", "X"])
def test_a_time_in_a_zone_of_an_unsupported_name_is_unread(zone: str) -> None:
    """P4: it is not taken for UTC."""
    fields = Fields({"a": f"Mon, 01 Jun 2026 12:00:00 {zone}"})
    assert (fields.instant("a"), fields.unread) == (None, ("a",))


@given(st.integers(946_684_800_000, 4_102_444_799_999), st.integers(0, 20))
def test_whole_milliseconds_with_trailing_zeros_are_exact(at: int, zeros: int) -> None:
    """A shortcut for whole milliseconds gives the same result as decimal arithmetic."""
    epoch, step = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
    fraction = f".{'0' * zeros}" if zeros else ""
    for value in (f"{at}{fraction}", f"0{at}{fraction}"):
        fields = Fields({"a": value, "b": f"{at % 3_153_600_000_001}{fraction}"})
        assert fields.instant("a", epoch="milliseconds", quoted=True) == epoch + step * at
        assert fields.milliseconds("b", quoted=True) == step * (at % 3_153_600_000_001)


@pytest.mark.parametrize("value", ["946684799999.0", "4102444800000.00000", "99999999999999999.0"])
def test_whole_milliseconds_out_of_range_are_named(value: str) -> None:
    fields = Fields({"a": value, "b": value})
    assert fields.instant("a", epoch="milliseconds", quoted=True) is None
    if len(value) > 18:
        assert fields.milliseconds("b", quoted=True) is None
    assert fields.unread == (("a", "b") if len(value) > 18 else ("a",))


def test_nested_fields_are_named_with_their_path() -> None:
    fields = Fields({"meeting": {"title": 7, "rooms": [{"id": 1}]}, "size": "x"})
    meeting = fields.object("meeting")
    assert meeting is not None
    assert meeting.text("title") is None
    assert [meeting.nest(each, "rooms").text("id") for each in meeting.array("rooms") or ()] == [
        None
    ]
    assert fields.count("size") is None
    assert fields.unread == ("meeting.title", "meeting.rooms.id", "size")
    assert meeting.unread == ("title", "rooms.id")


def test_values_that_were_repaired_are_named() -> None:
    """A lone surrogate and numbers beyond 64 bits cost their value, not the document."""
    text = rb'{"title": "a\ud83d", "size": 1e400, "meeting": {"tags": ["\udc00"]}, "id": "r1"}'
    fields = Fields(decode_json(text))
    assert fields.text("title") == "a\ufffd"
    assert fields.url("title") is None
    assert fields.count("size") is None
    assert fields.required_text("id") == "r1"
    assert fields.unread == ("meeting.tags", "size", "title")


def test_unread_paths_are_safe_to_print() -> None:
    fields = Fields(decode_json(rb'{"\u001b[31m": "\ud83d", "%s": 1e400}' % (b"x" * 5000)))
    assert fields.unread == (r"\x1b[31m", "x" * 100)


def test_unread_paths_are_bounded() -> None:
    """A vendor chooses how many there are."""
    fields = Fields({str(number): 1 for number in range(1000)})
    for number in range(1000):
        fields.text(str(number))
    assert len(fields.unread) == 50


@pytest.mark.parametrize("item", [b"0", b"{}", b"[]", b'{"a":[]}'])
def test_a_payload_of_many_values_is_refused_before_it_is_decoded(item: bytes) -> None:
    """T7: thirty-two megabytes of them take a gigabyte of memory."""
    with pytest.raises(MalformedPayload, match=r"more than 500,000 values"):
        decode_json(b"[%s]" % b",".join([item] * 500_001))
    assert len(decode_json(b"[%s]" % b",".join([item] * 160_000))) == 160_000
