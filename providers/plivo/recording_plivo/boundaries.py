"""Boundaries: the other ways to read the text that Plivo signs as names and values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from recording_core import MalformedPayload, WebhookRequest
from recording_plivo.signature import is_get, list_parts

#: More steps than it takes to split any genuine webhook in every way.
_MOST_STEPS = 5000
#: No parameter of Plivo's has a name with these.
_NO_NAME = re.compile(r"[/: ]")


@frozen
class _Name:
    """A place in the signed text at which a parameter begins, or could begin.

    `is_hidden`: the request has no such parameter; otherwise `value_end` is the end of its value.
    `is_kept`: it has it, in a form that Plivo uses, so that every other way to split the text has
    it, too.
    """

    start: int
    end: int
    name: str
    value_end: int = -1
    is_kept: bool = False
    is_hidden: bool = False


def names_recording_by_other_method(
    request: WebhookRequest,
    groups: Sequence[Sequence[str]],
    patterns: Mapping[str, re.Pattern[str]],
) -> bool:
    """Whether the signed text names a recording if the request had the other method.

    Plivo signs no method: the text of a GET has `name=value` between `&`, that of a POST has names
    and values one after the other. It names a recording if it has a parameter of each group.
    """
    text = "".join([shown + value for _, shown, value in list_parts(request)])
    if is_get(request):
        found = {
            name
            for group in groups
            for name in group
            for at in re.finditer(name, text)
            if patterns[name].match(text, at.end())
        }
    else:
        pairs = [each.partition("=") for each in text.split("&")]
        if _NO_NAME.search(pairs[0][0]):
            return False  # a POST: the first name of a query would contain values, such as a URL
        found = {
            name for name, _, value in pairs if name in patterns and patterns[name].fullmatch(value)
        }
    return not any(found.isdisjoint(group) for group in groups)


def iterate_other_splits(
    request: WebhookRequest, patterns: Mapping[str, re.Pattern[str]]
) -> Iterator[list[tuple[str, str]]]:
    """Split the signed text in the other ways that Plivo could have meant.

    Names are in sorted order, and a changed value matches its pattern in `patterns`. Each way has
    at least one of these names that the request hides in another name or value, and leaves out
    only parameters whose place such a name takes. Raises `MalformedPayload` if there are too many.
    """
    parts = list_parts(request)
    text = "".join([shown + value for _, shown, value in parts])
    found = _find_names(text, parts, patterns, *(("&", "=") if is_get(request) else ("", "")))
    if not found:
        return
    given = _locate_parameters(parts, patterns)
    kept = [each for each in given if each.is_kept]
    hidden = [name for name in found if all(_are_in_order(name, each) for each in kept)]
    if not hidden:
        return
    steps = 0
    chains: list[tuple[_Name, ...]]
    chains = [(each,) for each in (*hidden, *given[:1]) if each.start == 0]
    while chains:
        chain = chains.pop()
        steps += len(hidden) + 1
        if steps > _MOST_STEPS:
            raise MalformedPayload("the signed text can be split in too many ways")
        last = chain[-1]
        for following in _find_followers(last, given, hidden):
            end = len(text) if following is None else following.start
            pattern = patterns.get(last.name)
            is_changed = end not in (last.end, last.value_end)
            if pattern and is_changed and not pattern.fullmatch(text, last.end, end):
                continue
            if following is not None:
                chains.append((*chain, following))
            elif any(each.is_hidden for each in chain):
                ends = (*(each.start for each in chain[1:]), end)
                yield [
                    (each.name, text[each.end : until])
                    for each, until in zip(chain, ends, strict=True)
                ]


def _find_names(
    text: str,
    parts: Sequence[tuple[str, str, str]],
    patterns: Mapping[str, re.Pattern[str]],
    before: str,
    after: str,
) -> list[_Name]:
    """Find the names in the text that begin no parameter of the request, and could begin one."""
    starts = set()
    position = 0
    for name, shown, value in parts:
        starts.add((position, name))
        position += len(shown) + len(value)
    found = []
    for name, pattern in patterns.items():
        if name not in text:
            continue
        shown = f"{before}{name}{after}"
        start = text.find(shown)
        while start >= 0:
            end = start + len(shown)
            # `recording_duration` also begins `recording_duration_ms`, whose rest is not a number.
            if (start, name) not in starts and (pattern.match(text, end) or end == len(text)):
                found.append(_Name(start, end, name, is_hidden=True))
            start = text.find(shown, start + 1)
    return found


def _locate_parameters(
    parts: Sequence[tuple[str, str, str]], patterns: Mapping[str, re.Pattern[str]]
) -> list[_Name]:
    found: list[_Name] = []
    position = 0
    for name, shown, value in parts:
        pattern = patterns.get(name)
        is_kept = pattern is not None and (not value or bool(pattern.fullmatch(value)))
        if shown or not found:
            end = position + len(shown)
            found.append(_Name(position, end, name, end + len(value), is_kept))
        position += len(shown) + len(value)
    return found


def _are_in_order(hidden: _Name, kept: _Name) -> bool:
    if kept.end > hidden.start:
        return hidden.end <= kept.start and hidden.name <= kept.name
    # A text may repeat the name of its own field.
    return kept.name < hidden.name or (kept.name == hidden.name and kept.value_end <= hidden.start)


def _find_followers(
    last: _Name, given: Sequence[_Name], hidden: Sequence[_Name]
) -> list[_Name | None]:
    """Find the names that can follow in sorted order; `None` is the end of the text."""
    later = [each for each in given if each.start >= last.end and each is not last]
    following = next((each for each in later if each.name >= last.name), None)
    return [
        following,
        *(
            each
            for each in hidden
            if each.start >= last.end
            and each.name >= last.name
            and not (following and following.end <= each.start and following.name <= each.name)
        ),
    ]
