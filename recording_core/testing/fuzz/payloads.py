"""Payload fuzzing: mutated and random bodies, reproducible by seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from recording_core.testing.json_paths import JsonPath, get_value, replace_value, walk_values

#: Replaces values of other types. If it is read as text, a number was converted to text.
CANARY_NUMBER = 918273645
#: The same for a string of digits, which must not be read as a number.
CANARY_DIGITS = "546372819"

#: Values that replace one of another type.
_WRONG: tuple[Any, ...] = (
    *(None, True, False, CANARY_NUMBER, -CANARY_NUMBER, float(CANARY_NUMBER), 0.5),
    *(CANARY_DIGITS, "", [], {}, [CANARY_NUMBER], {"zz": CANARY_NUMBER}, [[]], [None]),
)
#: Strings that replace another: new words, numbers, times, URLs, control characters.
_STRINGS: tuple[str, ...] = (
    *("", " ", "zz-new-word", "NULL", "None", "true", "0", "-1", "1e9", "NaN"),
    *(CANARY_DIGITS, "١٢٣", "\u0000", "é" * 40, "\U0001f600", "a" * 5000, "a\nb", "\u202e"),
    *("../../etc", "%2e%2e", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "2026-06-01"),
    *("2026-02-30T00:00:00Z", "2026-06-01T12:00:00", "2026-06-01 12:00:00+25:00", "2026-W23-1"),
    *("20260601T120000Z", "http://", "https://[::1", "https://user:pw@h/x", "//h"),
    *("javascript:0", "https://h/a?b=c#d"),
)
_NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30),
    *(0.5, -0.5, 1e-300, 1e300, 1e18, 253402300800, 4102444800000, 1780315200),
)
#: Pieces of JSON, valid or not.
_PIECES: tuple[bytes, ...] = (
    *(b"\xff", b"\x00", b"\\ud800", b"NaN", b"1e999", b"[" * 200, b'{"a":' * 120, b"9" * 400),
    *(b"null", b'"', b",", b"}", b"\xef\xbb\xbf", b'"id":7,', b"\\u0000", b" \t\r\n", b"-"),
)


def mutate_payload(payload: Any, mutation: str, seed: int, others: Sequence[Any] = ()) -> bytes:
    """Return the payload as JSON, changed by the mutation of that name in `MUTATIONS`.

    `others` are payloads of the same vendor, which may replace it or a part of it.
    """
    mutated = MUTATIONS[mutation](_copy(payload), Random(seed), others)
    return mutated if isinstance(mutated, bytes) else json.dumps(mutated).encode()


def generate_noise(kind: str, seed: int, words: Sequence[str] = ()) -> bytes:
    """Return random bytes of a kind in `NOISE`. `words` are strings that the vendor uses."""
    return NOISE[kind](Random(seed), words)


def list_words(payload: Any) -> list[str]:
    """Return every string of a payload, with its keys."""
    words, left = [], [payload]
    while left:
        value = left.pop()
        if type(value) is str:
            words.append(value)
        elif type(value) is dict:
            words += value
            left += value.values()
        elif type(value) is list:
            left += value
    return words


def _copy(payload: Any) -> Any:
    """Copy JSON, ten times as fast as `copy.deepcopy`."""
    return json.loads(json.dumps(payload))


# -- mutations -----------------------------------------------------------------------------------


def _choose_places(
    value: Any, random: Random, kinds: type | tuple[type, ...] = object
) -> list[JsonPath]:
    """Choose one to three places that hold a value of these types, the last and deepest first."""
    fitting = [
        path
        for path, found in walk_values(value)
        if isinstance(found, kinds) and not (isinstance(found, bool) and kinds is not object)
    ]
    if not fitting:
        return []
    chosen = {random.choice(fitting) for _ in range(random.choice((1, 1, 1, 2, 3)))}
    return sorted(chosen, reverse=True)


def _change_types(value: Any, random: Random, others: Sequence[Any]) -> Any:
    for path in _choose_places(value, random):
        fitting = [each for each in _WRONG if type(each) is not type(get_value(value, path))]
        value = replace_value(value, path, _copy(random.choice(fitting)))
    return value


def _remove_keys(value: Any, random: Random, others: Sequence[Any]) -> Any:
    for path in _choose_places(value, random):
        if path:
            del get_value(value, path[:-1])[path[-1]]
    return value


def _replace_strings(value: Any, random: Random, others: Sequence[Any]) -> Any:
    for path in _choose_places(value, random, str):
        value = replace_value(value, path, random.choice((*_STRINGS, _generate_text(random))))
    return value


def _replace_numbers(value: Any, random: Random, others: Sequence[Any]) -> Any:
    for path in _choose_places(value, random, (int, float)) or _choose_places(value, random, str):
        value = replace_value(value, path, random.choice(_NUMBERS))
    return value


def _copy_elsewhere(value: Any, random: Random, others: Sequence[Any]) -> Any:
    """Replace one place by a value of another place, of this payload or of another."""
    _, found = random.choice(list(walk_values(random.choice((value, value, *others)))))
    path, _ = random.choice(list(walk_values(value)))
    return replace_value(value, path, _copy(found))


def _wrap_values(value: Any, random: Random, others: Sequence[Any]) -> Any:
    for path in _choose_places(value, random):
        inner = get_value(value, path)
        wraps: list[Any] = [[inner], {"data": inner}, [inner, inner], {"zz": inner}, [[inner]]]
        if isinstance(inner, list) and inner:
            wraps += [inner[0], inner * 3, inner[::-1]]
        value = replace_value(value, path, _copy(random.choice(wraps)))
    return value


def _add_fields(value: Any, random: Random, others: Sequence[Any]) -> Any:
    """Add an unknown field to each object, and change nothing else."""
    for _, found in list(walk_values(value)):
        if isinstance(found, dict):
            found[f"zz_new_{random.randrange(9)}"] = {"words": ["and", CANARY_NUMBER, None]}
    return value


def _change_bytes(value: Any, random: Random, others: Sequence[Any]) -> bytes:
    """Flip bits of the JSON, or cut out, repeat or insert bytes."""
    data = bytearray(json.dumps(value).encode())
    for _ in range(random.choice((1, 1, 2, 5))):
        if not data:
            break
        at = random.randrange(len(data))
        end = at + random.choice((1, 2, 7, 40))
        match random.randrange(6):
            case 0:
                data[at] ^= 1 << random.randrange(8)
            case 1:
                del data[at:end]
            case 2:
                data[at:at] = data[at:end]
            case 3:
                del data[at:]
            case 4:
                data[at:at] = random.choice(_PIECES)
            case 5:
                data[at:end] = data[: end - at]
    return bytes(data)


#: name -> how it changes a payload
MUTATIONS: Mapping[str, Callable[[Any, Random, Sequence[Any]], Any]] = {
    "wrong types": _change_types,
    "removed keys": _remove_keys,
    "other strings": _replace_strings,
    "other numbers": _replace_numbers,
    "copied values": _copy_elsewhere,
    "wrapped values": _wrap_values,
    "new fields": _add_fields,
    "another payload": lambda value, random, others: _copy(random.choice(others or [value])),
    "changed bytes": _change_bytes,
}


# -- noise ---------------------------------------------------------------------------------------


def _generate_text(random: Random) -> str:
    codes = (random.choice((random.randrange(32, 127), random.randrange(0xD7FF))) for _ in range(9))
    return "".join(map(chr, codes))


def _generate_value(random: Random, words: Sequence[str], depth: int) -> Any:
    def generate_word() -> str:
        return random.choice(words) if words else _generate_text(random)

    kind = random.randrange(8 if depth else 5)
    if kind < 3:
        return random.choice((_WRONG, _NUMBERS, _STRINGS)[kind])
    if kind < 5:
        return generate_word()
    if kind == 5:
        return [_generate_value(random, words, depth - 1) for _ in range(random.randrange(4))]
    names = [generate_word() for _ in range(random.randrange(12))]
    return {name: _generate_value(random, words, depth - 1) for name in names}


def _generate_tokens(random: Random, words: Sequence[str]) -> bytes:
    """Return tokens of JSON in random order."""
    tokens = [*_PIECES, b"{", b"}", b"[", b"]", b":", b",", b'"', b"true", b"null", b"-1", b"0.5"]
    tokens += [json.dumps(each).encode() for each in words]
    return b"".join(random.choice(tokens) for _ in range(random.randrange(1, 30)))


#: name -> how it generates bytes in place of a payload
NOISE: Mapping[str, Callable[[Random, Sequence[str]], bytes]] = {
    "random bytes": lambda random, words: random.randbytes(random.choice((0, 1, 2, 8, 60, 500))),
    "random JSON": lambda random, words: json.dumps(_generate_value(random, words, 4)).encode(),
    "random tokens": _generate_tokens,
}
