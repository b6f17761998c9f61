"""Copies: the recordings of an emulator that can be downloaded, and the checks of their copies."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import recording_core as rec
from recording_core.download.lengths import can_read_length
from recording_core.testing.conformance.base import ConformanceBase, check_equal, check_types
from recording_core.testing.emulator.server import Reply


def find_downloadable(suite: ConformanceBase) -> list[rec.Recording]:
    """Return up to twelve listed recordings with media, of each kind, format and set of roles."""
    suite.require_declared(rec.Operation.LIST, rec.Operation.DOWNLOAD)
    provider = suite.provider
    kinds = {kind for kind in rec.SessionKind if provider.can(rec.Operation.DOWNLOAD, kind)}
    # `download` follows `Recording.files`, unless a provider overrides it.
    needs_files = type(provider)._download is rec.Provider._download
    found = [
        each
        for each in suite.list_all(status=rec.RecordingStatus.AVAILABLE)
        if each.kind in (None, *kinds) and (each.files or not needs_files)
    ]
    live = {each.kind for each in suite.list_live_targets(rec.Operation.DOWNLOAD)}
    missing = kinds - live - {each.kind for each in found}
    if found and all(each.kind for each in found):
        assert not missing, (
            f"the emulator lists no available {', '.join(sorted(missing))} with files, and none "
            "can be recorded: add one in Emulator.populate"
        )
    assert found, (
        "the emulator lists no available recording with files: add some in Emulator.populate"
    )
    shapes = select_by_shape(found)
    return list({each.id: each for each in (*shapes, *found)}.values())[: max(12, len(shapes))]


def select_by_shape(recordings: Iterable[rec.Recording]) -> list[rec.Recording]:
    """Return one recording of each kind, format and set of roles."""
    shapes: dict[Any, rec.Recording] = {}
    for each in recordings:
        roles = frozenset(file.role for file in each.files)
        shapes.setdefault((each.kind, each.format, roles), each)
    return list(shapes.values())


def check_copies(copies: tuple[rec.Copy, ...], recording: rec.Recording, directory: Path) -> None:
    for copy in copies:
        check_types(copy)
        name, data = copy.path.name, copy.path.read_bytes()
        assert data, f"{name} is empty"
        check_equal(f"copy.sha256 of {name}", copy.sha256, hashlib.sha256(data).hexdigest())
        check_equal(f"copy.size of {name}", copy.size, len(data))
        check_equal("copy.recording_id", copy.recording_id, recording.id)
        # A duration that cannot be compared, as without tinytag, is a doubt.
        if not copy.file.duration or can_read_length(copy.path.suffix.removeprefix(".")):
            assert copy.verified, (
                f"{name} is not verified: copy.checks is {copy.checks}, copy.doubts is "
                f"{copy.doubts}"
            )
        check_equal("loads(dumps(copy))", rec.loads(rec.dumps(copy), rec.Copy), copy)
    found = {path.name for path in directory.iterdir()}
    assert {copy.path.name for copy in copies} <= found, f"the directory holds only {found}"
    outside = [copy.path for copy in copies if not copy.path.is_relative_to(directory)]
    assert not outside, f"download wrote outside of the directory: {outside}"
    temporary = [name for name in found if name.startswith(".")]
    assert not temporary, f"download left temporary files: {temporary}"


def check_source(
    copy: rec.Copy,
    recording: rec.Recording,
    sent: Sequence[tuple[str, Reply]],
    answers: Sequence[Any],
) -> None:
    """Require that a copy is what the vendor sent for that file of that recording.

    `answers` are its JSON payloads, `sent` its other replies during the download.
    """
    data, bodies = copy.path.read_bytes(), [reply.body for _, reply in sent if reply.status == 200]
    what = f"{copy.path.name} of {len(data)} bytes"
    sizes = f"it sent replies of {[len(each) for each in bodies]} bytes"
    if copy.file.url is None:  # unpacked by the provider
        parts = [part for body in bodies for part in _unpack(body)]
        assert data in parts, f"the vendor sent no file with the bytes of {what}: {sizes}"
        return
    path = read_path(copy.file.url)
    assert path in {each for each, _ in sent}, f"{what}: no request was for its URL's path {path}"
    assert data in bodies, f"the vendor sent no file with the bytes of {what}: {sizes}"
    name = max(path.split("/"), key=len).partition(".")[0]
    rows = [json.dumps(row) for row in _walk_objects(answers) if recording.id in row.values()]
    assert not rows or recording.id in path or any(name in row for row in rows), (
        f"the URL's path {path} of {what} is in nothing that the vendor sent of {recording.id}: "
        f"{rows[0]}"
    )


def _walk_objects(value: Any) -> Iterator[dict[str, Any]]:
    """Generate each object in JSON."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _walk_objects(each)


def _unpack(body: bytes) -> Iterator[bytes]:
    """Generate a body, and the files in it if it is an archive."""
    yield body
    if zipfile.is_zipfile(io.BytesIO(body)):
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            yield from map(archive.read, archive.namelist())


def read_path(url: str) -> str:
    return unquote(urlsplit(url).path)
