"""Where do the cassettes come from? From the emulators, or with RECORDINGS_LIVE=1 from the vendors.

    python cassettes/record.py [PROVIDER...]

Live, the credentials come from the environment, as `recording_core.connect` takes them, and what
is recorded from RECORDINGS_LIVE_TARGET (`call:ID`); without it only reading is recorded. Nothing
is deleted unless RECORDINGS_LIVE_DELETE=1.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import recording_core as rec
from cassettes.scenarios import LIVE_SCENES, SCENES, Stage
from recording_core.plugins.registry import load_object, provider_info
from recording_core.testing import Emulator, ManualClock, build_recorder

HERE = Path(__file__).parent
#: provider -> when its cassettes were recorded, and who was recorded on them
FACTS = "recorded.json"


def _audians_past(emulator: Any) -> None:
    emulator.add(ago=timedelta(hours=1), duration=timedelta(seconds=20))
    emulator.add(ago=timedelta(hours=2), duration=timedelta(seconds=1), format="opus")
    emulator.add(ago=timedelta(hours=3), duration=timedelta(minutes=1), failed=True)


def _plivos_past(emulator: Any) -> None:
    now = emulator.clock.now()
    for hours, kind in enumerate(rec.SessionKind, start=1):
        ended, long = now - timedelta(hours=hours), timedelta(seconds=hours)
        emulator.add(ended=ended, duration=long, kind=kind)


def _realtimekits_past(emulator: Any) -> None:
    emulator.add(ago=timedelta(hours=1), duration=timedelta(seconds=20))
    emulator.add(ago=timedelta(hours=2), duration=timedelta(seconds=40), tracks=True)
    emulator.add(ago=timedelta(hours=3), duration=timedelta(minutes=1), failed=True)


#: Requests in one order, whatever threads would do.
ONE_BY_ONE = rec.HttpSettings(workers=1)


def _voipbins_past(emulator: Any) -> None:
    now = emulator.clock.now()
    call, conference = rec.SessionKind.CALL, rec.SessionKind.CONFERENCE
    for hours, kind in enumerate((conference, call, conference), start=1):
        emulator.add(
            created=now - timedelta(hours=hours), duration=timedelta(seconds=hours), kind=kind
        )


#: What the emulators have recorded before: little, so that the cassettes stay small.
PAST: Mapping[str, Callable[[Any], None]] = {
    "audian": _audians_past,
    "plivo": _plivos_past,
    "realtimekit": _realtimekits_past,
    "voipbin": _voipbins_past,
}


def record(name: str, directory: Path, *, live: bool) -> None:
    """Record a provider's cassettes, one for each operation, and note the facts."""
    folder = directory / name
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {}
    for operation in rec.Operation:
        if not provider_info(name).can(operation) or (live and not _allowed(operation)):
            continue
        path = folder / f"{operation}.yaml"
        path.unlink(missing_ok=True)
        opened = _vendor(name) if live else _emulator(name, operation)
        with opened as (stage, replace):
            tape = build_recorder(record_mode="all", replace=replace)
            with tape.use_cassette(str(path)):
                SCENES[operation](stage)
            target = str(stage.target) if stage.target is not None else None
            facts[operation] = {"at": stage.at.isoformat(), "target": target}
        print(f"{path.name} of {name}: {path.stat().st_size} bytes", file=sys.stderr)
    _note(directory / FACTS, name, facts)


def _note(path: Path, name: str, facts: Mapping[str, Any]) -> None:
    known = json.loads(path.read_text()) if path.exists() else {}
    known[name] = {**known.get(name, {}), **facts}
    path.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


@contextmanager
def _emulator(name: str, operation: rec.Operation) -> Iterator[tuple[Stage, dict[str, str]]]:
    """A fresh emulator, whose origins are written as the vendor's."""
    info = provider_info(name)
    clock = ManualClock()
    emulator: Emulator
    with (
        load_object(info, "emulator")(clock=clock) as emulator,
        emulator.connect(http=ONE_BY_ONE) as provider,
        tempfile.TemporaryDirectory() as directory,
    ):
        PAST[name](emulator)
        kind = next(kind for kind, each in info if each is operation)
        target = next(each for each in emulator.sessions if each.kind is kind)
        stage = Stage(provider, target, clock.now(), clock.advance, Path(directory))
        api = urlsplit(type(provider).default_base_url)
        # Where a vendor's pages name no host of media, the cassettes have one that cannot exist.
        media = (*info.media_hosts, f"media.{name}.example")[0]
        replace = {
            emulator.origin: f"{api.scheme}://{api.netloc}",
            emulator.media_origin: f"https://{media.replace('*', 'media')}",
            **_anonymous(info, emulator.credentials),
        }
        yield stage, replace


@contextmanager
def _vendor(name: str) -> Iterator[tuple[Stage, dict[str, str]]]:
    """The vendor itself."""
    info = provider_info(name)
    settings = {each.name: os.environ.get(each.env, "") for each in info.settings}
    with rec.connect(name) as provider, tempfile.TemporaryDirectory() as directory:
        yield (
            Stage(
                provider,
                target_of(os.environ.get("RECORDINGS_LIVE_TARGET")),
                datetime.now(UTC).replace(microsecond=0),
                lambda span: time.sleep(span.total_seconds()),
                Path(directory),
            ),
            _anonymous(info, settings),
        )


def _anonymous(info: rec.ProviderInfo, settings: Mapping[str, str]) -> dict[str, str]:
    """Each credential, and each account's id, as the word that stands for it on every cassette."""
    return {
        settings[each.name]: stand_in(each.name)
        for each in info.settings
        if not each.default and len(settings.get(each.name) or "") >= 6
    }


def stand_in(setting: str) -> str:
    """What a cassette has in place of a setting's value; replaying connects with it."""
    return setting.replace("_", "-")


def target_of(text: str | None) -> rec.CommunicationSession | None:
    if not text:
        return None
    kind, _, id = text.partition(":")
    return rec.CommunicationSession(rec.SessionKind(kind), id)


def _allowed(operation: rec.Operation) -> bool:
    if operation is rec.Operation.DELETE:
        return os.environ.get("RECORDINGS_LIVE_DELETE") == "1"
    return operation not in LIVE_SCENES or bool(os.environ.get("RECORDINGS_LIVE_TARGET"))


def main(names: list[str]) -> None:
    live = os.environ.get("RECORDINGS_LIVE") == "1"
    for name in names or rec.providers():
        record(name, HERE, live=live)


if __name__ == "__main__":
    main(sys.argv[1:])
