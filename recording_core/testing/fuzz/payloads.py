"""What may become of a payload on its way? Garbled by seed: a seed gives the same bytes again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

__all__ = [
    "CANARY_DIGITS",
    "CANARY_NUMBER",
    "NOISE",
    "SHAPES",
    "garbled",
    "noise",
    "words_said",
]

#: Planted where another type stood: whoever finds it as text has turned a number into text.
CANARY_NUMBER = 918273645
#: The same for a text that reads as a number.
CANARY_DIGITS = "546372819"

#: What stands where something of another type is documented.
_WRONG: tuple[Any, ...] = (
    *(None, True, False, CANARY_NUMBER, -CANARY_NUMBER, float(CANARY_NUMBER), 0.5),
    *(CANARY_DIGITS, "", [], {}, [CANARY_NUMBER], {"zz": CANARY_NUMBER}, [[]], [None]),
)
#: What a vendor might say some day, and what nobody should.
_WORDS: tuple[str, ...] = (
    *(
        "",
        " ",
        "zz-a-word-of-tomorrow",
        "NULL",
        "None",
        "true",
        "0",
        "-1",
        "1e9",
        "NaN",
        CANARY_DIGITS,
    ),
    *("١٢٣", "\u0000", "é" * 40, "\U0001f600", "a" * 5000, "../../etc", "a\nb", "%2e%2e", "\u202e"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z", "2026-06-01"),
    *("2026-06-01T12:00:00", "2026-06-01 12:00:00+25:00", "20260601T120000Z", "2026-W23-1"),
    *("http://", "https://[::1", "https://user:pw@h/x", "//h", "javascript:0", "https://h/a?b=c#d"),
)
_NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30),
    *(0.5, -0.5, 1e-300, 1e300, 1e18, 253402300800, 4102444800000, 1780315200),
)

_Steps = tuple[str | int, ...]


def garbled(payload: Any, shape: str, seed: int, others: Sequence[Any] = ()) -> bytes:
    """The payload as JSON, changed in the way that `shape` names; see `SHAPES`.

    `others` are payloads of the same vendor, which may come in its place or in a part of it.
    """
    dice = Random(seed)
    made = SHAPES[shape](_copied(payload), dice, others)
    return made if isinstance(made, bytes) else _written(made)


def noise(kind: str, seed: int, words: Sequence[str] = ()) -> bytes:
    """Bytes that no payload was the beginning of; see `NOISE`. `words` are the vendor's own."""
    return NOISE[kind](Random(seed), words)


def words_said(payload: Any) -> list[str]:
    """Every text of a payload, keys and all."""
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


def _copied(payload: Any) -> Any:
    """Of JSON alone, in a tenth of the time that `copy.deepcopy` takes."""
    return json.loads(json.dumps(payload))


# -- what is changed ------------------------------------------------------------------------------


def _places(value: Any, path: _Steps = ()) -> Iterator[_Steps]:
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _places(item, (*path, index))


def _at(value: Any, path: _Steps) -> Any:
    for step in path:
        value = value[step]
    return value


def _put(value: Any, path: _Steps, new: Any) -> Any:
    if not path:
        return new
    _at(value, path[:-1])[path[-1]] = new
    return value


def _some(value: Any, dice: Random, kinds: type | tuple[type, ...] = object) -> list[_Steps]:
    """One to three places that hold what is of one of these types, the last and deepest first."""
    fitting = [
        path
        for path in _places(value)
        if isinstance(found := _at(value, path), kinds)
        and not (isinstance(found, bool) and kinds is not object)
    ]
    if not fitting:
        return []
    chosen = {dice.choice(fitting) for _ in range(dice.choice((1, 1, 1, 2, 3)))}
    return sorted(chosen, reverse=True)


def _wrong_types(value: Any, dice: Random, others: Sequence[Any]) -> Any:
    for path in _some(value, dice):
        fitting = [each for each in _WRONG if type(each) is not type(_at(value, path))]
        value = _put(value, path, _copied(dice.choice(fitting)))
    return value


def _gone(value: Any, dice: Random, others: Sequence[Any]) -> Any:
    for path in _some(value, dice):
        if path:
            del _at(value, path[:-1])[path[-1]]
    return value


def _strange_words(value: Any, dice: Random, others: Sequence[Any]) -> Any:
    for path in _some(value, dice, str):
        value = _put(value, path, dice.choice((*_WORDS, _chance_text(dice))))
    return value


def _strange_numbers(value: Any, dice: Random, others: Sequence[Any]) -> Any:
    for path in _some(value, dice, (int, float)) or _some(value, dice, str):
        value = _put(value, path, dice.choice(_NUMBERS))
    return value


def _swapped(value: Any, dice: Random, others: Sequence[Any]) -> Any:
    """One place gets what stands in another one, of this payload or of another."""
    source = dice.choice((value, value, *others))
    found = _at(source, dice.choice(list(_places(source))))
    return _put(value, dice.choice(list(_places(value))), _copied(found))


def _wrapped(value: Any, dice: Random, others: Sequence[Any]) -> Any:
    for path in _some(value, dice):
        inner = _at(value, path)
        wraps: list[Any] = [[inner], {"data": inner}, [inner, inner], {"zz": inner}, [[inner]]]
        if isinstance(inner, list) and inner:
            wraps += [inner[0], inner * 3, inner[::-1]]
        value = _put(value, path, _copied(dice.choice(wraps)))
    return value


def _new_fields(value: Any, dice: Random, others: Sequence[Any]) -> Any:
    """More of what nobody knows, and nothing else."""
    for path in list(_places(value)):
        found = _at(value, path)
        if isinstance(found, dict):
            found[f"zz_new_{dice.randrange(9)}"] = {"words": ["and", CANARY_NUMBER, None]}
    return value


def _anothers(value: Any, dice: Random, others: Sequence[Any]) -> Any:
    return _copied(dice.choice(others)) if others else value


def _broken_bytes(value: Any, dice: Random, others: Sequence[Any]) -> bytes:
    """Its JSON with bits flipped, a piece cut out, doubled, or put elsewhere."""
    data = bytearray(_written(value))
    for _ in range(dice.choice((1, 1, 2, 5))):
        if not data:
            break
        at = dice.randrange(len(data))
        length = dice.choice((1, 2, 7, 40))
        match dice.randrange(6):
            case 0:
                data[at] ^= 1 << dice.randrange(8)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length]
            case 3:
                del data[at:]
            case 4:
                data[at:at] = dice.choice(_PIECES)
            case 5:
                data[at : at + length] = data[:length]
    return bytes(data)


_PIECES: tuple[bytes, ...] = (
    b"\xff",
    b"\x00",
    b"\\ud800",
    b"NaN",
    b"1e999",
    b"[" * 200,
    b'{"a":' * 120,
    b"9" * 400,
)
_PIECES += (b"null", b'"', b",", b"}", b"\xef\xbb\xbf", b'"id":7,', b"\\u0000", b" \t\r\n", b"-")

#: How a payload may be changed, by name.
SHAPES: Mapping[str, Callable[[Any, Random, Sequence[Any]], Any]] = {
    "wrong types": _wrong_types,
    "gone": _gone,
    "strange words": _strange_words,
    "strange numbers": _strange_numbers,
    "swapped": _swapped,
    "wrapped": _wrapped,
    "new fields": _new_fields,
    "another's": _anothers,
    "broken bytes": _broken_bytes,
}


# -- what was never a payload ---------------------------------------------------------------------


def _chance_text(dice: Random) -> str:
    codes = (dice.choice((dice.randrange(32, 127), dice.randrange(0xD7FF))) for _ in range(9))
    return "".join(map(chr, codes))


def _any_bytes(dice: Random, words: Sequence[str]) -> bytes:
    return dice.randbytes(dice.choice((0, 1, 2, 8, 60, 500)))


def _any_json(dice: Random, words: Sequence[str]) -> bytes:
    return _written(_any_value(dice, words, depth=4))


def _any_value(dice: Random, words: Sequence[str], depth: int) -> Any:
    kind = dice.randrange(8 if depth else 5)
    if kind == 0:
        return dice.choice(_WRONG)
    if kind == 1:
        return dice.choice(_NUMBERS)
    if kind == 2:
        return dice.choice(_WORDS)
    if kind in (3, 4):
        return dice.choice(words) if words else _chance_text(dice)
    if kind == 5:
        return [_any_value(dice, words, depth - 1) for _ in range(dice.randrange(4))]
    names = [dice.choice(words) if words else _chance_text(dice) for _ in range(dice.randrange(12))]
    return {name: _any_value(dice, words, depth - 1) for name in names}


def _any_tokens(dice: Random, words: Sequence[str]) -> bytes:
    """What JSON is made of, in any order."""
    tokens = [*_PIECES, b"{", b"}", b"[", b"]", b":", b",", b'"', b"true", b"null", b"-1", b"0.5"]
    tokens += [json.dumps(each).encode() for each in words]
    return b"".join(dice.choice(tokens) for _ in range(dice.randrange(1, 30)))


#: What may come in place of a payload, by name.
NOISE: Mapping[str, Callable[[Random, Sequence[str]], bytes]] = {
    "any bytes": _any_bytes,
    "any JSON": _any_json,
    "any tokens": _any_tokens,
}


def _written(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8")
