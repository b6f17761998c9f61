"""Record cassettes: from the emulators, or with RECORDINGS_LIVE=1 from the vendors.

    python cassettes/record.py [PROVIDER...]

If RECORDINGS_LIVE=1, the credentials come from the environment, as for `recording_core.connect`,
and the session to record from RECORDINGS_LIVE_TARGET (`call:ID`). Without a target only reads are
recorded. Nothing is deleted unless RECORDINGS_LIVE_DELETE=1.
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
from cassettes.scenarios import LIVE_SCENARIOS, SCENARIOS, Stage
from recording_core.plugins.registry import get_provider_info, load_object
from recording_core.testing import Emulator, ManualClock, build_recorder

HERE = Path(__file__).parent
#: provider -> operation -> when its cassette was recorded, and the target
FACTS = "recorded.json"


def _populate_audian(emulator: Any) -> None:
    emulator.add(ago=timedelta(hours=1), duration=timedelta(seconds=20))
    emulator.add(ago=timedelta(hours=2), duration=timedelta(seconds=1), format="opus")
    emulator.add(ago=timedelta(hours=3), duration=timedelta(minutes=1), failed=True)


def _populate_plivo(emulator: Any) -> None:
    now = emulator.clock.now()
    for hours, kind in enumerate(rec.SessionKind, start=1):
        ended, long = now - timedelta(hours=hours), timedelta(seconds=hours)
        emulator.add(ended=ended, duration=long, kind=kind)


def _populate_realtimekit(emulator: Any) -> None:
    emulator.add(ago=timedelta(hours=1), duration=timedelta(seconds=20))
    emulator.add(ago=timedelta(hours=2), duration=timedelta(seconds=40), tracks=True)
    emulator.add(ago=timedelta(hours=3), duration=timedelta(minutes=1), failed=True)


#: One thread, so that requests have a fixed order.
ONE_WORKER = rec.HttpSettings(workers=1)


def _populate_voipbin(emulator: Any) -> None:
    now = emulator.clock.now()
    call, conference = rec.SessionKind.CALL, rec.SessionKind.CONFERENCE
    for hours, kind in enumerate((conference, call, conference), start=1):
        emulator.add(
            created=now - timedelta(hours=hours), duration=timedelta(seconds=hours), kind=kind
        )


def _populate_twilio(emulator: Any) -> None:
    now = emulator.clock.now()
    call, conference = rec.SessionKind.CALL, rec.SessionKind.CONFERENCE
    for hours, kind in enumerate((call, conference, call), start=1):
        ended, long = now - timedelta(hours=hours), timedelta(seconds=hours)
        emulator.add(ended=ended, duration=long, kind=kind)


#: provider -> creates its past recordings: few, so that the cassettes stay small
POPULATE: Mapping[str, Callable[[Any], None]] = {
    "audian": _populate_audian,
    "plivo": _populate_plivo,
    "realtimekit": _populate_realtimekit,
    "twilio": _populate_twilio,
    "voipbin": _populate_voipbin,
}


def record(name: str, directory: Path, *, live: bool) -> None:
    """Record a provider's cassettes, one per operation, and write the facts."""
    folder = directory / name
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {}
    for operation in rec.Operation:
        if not get_provider_info(name).can(operation) or (live and not _is_allowed(operation)):
            continue
        path = folder / f"{operation}.yaml"
        path.unlink(missing_ok=True)
        opened = _open_vendor(name) if live else _open_emulator(name, operation)
        with opened as (stage, replace):
            recorder = build_recorder(record_mode="all", replace=replace)
            with recorder.use_cassette(str(path)):
                SCENARIOS[operation](stage)
            target = str(stage.target) if stage.target is not None else None
            facts[operation] = {"at": stage.at.isoformat(), "target": target}
        print(f"{path.name} of {name}: {path.stat().st_size} bytes", file=sys.stderr)
    _write_facts(directory / FACTS, name, facts)


def _write_facts(path: Path, name: str, facts: Mapping[str, Any]) -> None:
    content = json.loads(path.read_text()) if path.exists() else {}
    content[name] = {**content.get(name, {}), **facts}
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


@contextmanager
def _open_emulator(name: str, operation: rec.Operation) -> Iterator[tuple[Stage, dict[str, str]]]:
    """Open a new emulator whose origins are replaced by the vendor's."""
    info = get_provider_info(name)
    clock = ManualClock()
    emulator: Emulator
    with (
        load_object(info, "emulator")(clock=clock) as emulator,
        emulator.connect(http=ONE_WORKER) as provider,
        tempfile.TemporaryDirectory() as directory,
    ):
        POPULATE[name](emulator)
        kind = next(kind for kind, each in info if each is operation)
        target = next(each for each in emulator.sessions if each.kind is kind)
        stage = Stage(provider, target, clock.now(), clock.advance, Path(directory))
        api = urlsplit(type(provider).default_base_url)
        # If a vendor documents no media host, the cassettes have one that cannot exist.
        media = (*info.media_hosts, f"media.{name}.example")[0]
        replace = {
            emulator.origin: f"{api.scheme}://{api.netloc}",
            emulator.media_origin: f"https://{media.replace('*', 'media')}",
            **_build_replacements(info, emulator.credentials),
        }
        yield stage, replace


@contextmanager
def _open_vendor(name: str) -> Iterator[tuple[Stage, dict[str, str]]]:
    """Connect to the vendor."""
    info = get_provider_info(name)
    settings = {each.name: os.environ.get(each.env, "") for each in info.settings}
    with rec.connect(name) as provider, tempfile.TemporaryDirectory() as directory:
        yield (
            Stage(
                provider,
                read_target(os.environ.get("RECORDINGS_LIVE_TARGET")),
                datetime.now(UTC).replace(microsecond=0),
                lambda span: time.sleep(span.total_seconds()),
                Path(directory),
            ),
            _build_replacements(info, settings),
        )


def _build_replacements(info: rec.ProviderInfo, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the replacement of each credential and account id in the cassettes."""
    return {
        settings[each.name]: build_placeholder(each.name)
        for each in info.settings
        if not each.default and len(settings.get(each.name) or "") >= 6
    }


def build_placeholder(setting: str) -> str:
    """Return what replaces a setting's value in cassettes; replaying connects with it."""
    return setting.replace("_", "-")


def read_target(text: str | None) -> rec.CommunicationSession | None:
    if not text:
        return None
    kind, _, id = text.partition(":")
    return rec.CommunicationSession(rec.SessionKind(kind), id)


def _is_allowed(operation: rec.Operation) -> bool:
    if operation is rec.Operation.DELETE:
        return os.environ.get("RECORDINGS_LIVE_DELETE") == "1"
    return operation not in LIVE_SCENARIOS or bool(os.environ.get("RECORDINGS_LIVE_TARGET"))


def main(names: list[str]) -> None:
    live = os.environ.get("RECORDINGS_LIVE") == "1"
    for name in names or rec.providers():
        record(name, HERE, live=live)


if __name__ == "__main__":
    main(sys.argv[1:])
