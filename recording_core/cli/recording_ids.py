"""Recording ids: those of the command line, and those that another command printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from recording_core.cli.arguments import PROVIDER, TARGET

if TYPE_CHECKING:
    from recording_core import CommunicationSession

#: The argument that stands for standard input.
STDIN = "-"


@frozen
class RecordingId:
    """The id of a recording, and of its account and target what was given.

    `account` is None for the account that the command uses by default.
    """

    provider: str
    account: str | None
    id: str
    target: CommunicationSession | None


def read_recording_ids(
    provider: str, ids: Sequence[str], target: CommunicationSession | None
) -> tuple[RecordingId, ...]:
    """Return each recording once: those of the command line, or for `-` of standard input.

    The lines of standard input are ids, or what `recordings list` prints in a pipe or with
    `--json`, which names the accounts too. `-` in place of the provider needs the latter. Raises
    `UsageError` for other lines.
    """
    named = None if provider == STDIN else PROVIDER.convert(provider, None, None)
    if named is None and ids:
        raise click.UsageError("`-` in place of PROVIDER takes no ID: standard input has them.")
    if named is not None and STDIN not in ids:
        return tuple(RecordingId(named, None, each, target) for each in dict.fromkeys(ids))
    if len(ids) > 1:
        raise click.UsageError("`-` reads the ids from standard input, and takes no other ID.")
    found: dict[RecordingId, None] = {}
    # Identifiers of vendors are UTF-8 in every locale.
    lines = sys.stdin.buffer.read().decode("utf-8-sig", "replace").splitlines()
    for number, row in _read_rows(lines):
        place = f"Line {number} of standard input"
        id = row.get("recording") or row.get("id") or row.get("recording_id")
        of = row.get("provider") or named
        if not isinstance(id, str) or not isinstance(of, str):
            raise click.UsageError(f"{place} has no {'id of a recording' if of else 'provider'}.")
        if named not in (None, of):
            raise click.UsageError(
                f"{place} is a recording of {of}, and this command is for {named}. With `-` in "
                "place of PROVIDER, it is for all."
            )
        account = row.get("account")
        found[
            RecordingId(
                PROVIDER.convert(of, None, None),
                account if isinstance(account, str) and account else None,
                id,
                target or _parse_target(row.get("target")),
            )
        ] = None
    return tuple(found)


def _read_rows(lines: Sequence[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the number and the fields of each line that is about a recording."""
    names: list[str] | None = None
    for number, line in enumerate(lines, 1):
        fields = line.split("\t")
        if not line.strip():
            continue
        if line.startswith("{"):
            try:
                row = json.loads(line)
            except ValueError:
                raise click.UsageError(f"Line {number} of standard input is not JSON.") from None
            if "coverage" not in row:  # the last line of a list
                yield number, row
        elif names is not None:
            yield number, dict(zip(names, fields, strict=False))
        elif len(fields) > 1 and "recording" in fields:
            names = fields
        elif len(fields) > 1:
            raise click.UsageError(
                f"Line {number} of standard input has {len(fields)} fields, and no line with their "
                "names is above it: give one id per line, or all that `recordings list` prints."
            )
        else:
            yield number, {"id": line.strip()}


def _parse_target(given: Any) -> CommunicationSession | None:
    """Parse the target of a row. A kind alone, for a recording without a target, is none."""
    if isinstance(given, dict):
        given = f"{given.get('kind')}:{given.get('id')}"
    if not isinstance(given, str) or ":" not in given:
        return None
    target: CommunicationSession = TARGET.convert(given, None, None)
    return target
