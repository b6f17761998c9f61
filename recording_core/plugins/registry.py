"""Registry: discover the installed providers through entry points.

A broken plugin does not affect the others.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pluggy
from attrs import frozen

from recording_core.errors import PluginError
from recording_core.model.capabilities import Operation, ProviderInfo, Setting, StoragePrice
from recording_core.model.enums import SessionKind
from recording_core.plugins import hookspecs
from recording_core.plugins.hookspecs import PROJECT

_log = logging.getLogger("recording_core.plugins")
#: The names that a provider may have.
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]*")
_OBJECT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@frozen(eq=False, repr=False)
class Registry:
    """The result of discovery.

    Attributes:
        manager: the pluggy manager with every usable plugin
        providers: the usable providers by name
        broken: the error of every plugin that cannot be used, by name
    """

    manager: pluggy.PluginManager
    providers: Mapping[str, ProviderInfo]
    broken: Mapping[str, PluginError]


def providers() -> Mapping[str, ProviderInfo]:
    """Return the installed providers by name, sorted. Imports no client and no HTTP library.

    A plugin that cannot be used is reported once as a `UserWarning` and left out. To connect to it
    by name raises its `PluginError`.
    """
    return load_registry().providers


def get_provider_info(name: str) -> ProviderInfo:
    """Return an installed provider. Raises `PluginError` if it is not installed or is broken."""
    found = load_registry()
    if name in found.providers:
        return found.providers[name]
    if name in found.broken:
        raise found.broken[name]
    installed = ", ".join(found.providers) or "none"
    raise PluginError(
        f"No provider named {name!r} is installed (installed: {installed}). "
        f"Install its distribution, such as recording-{name}, into this environment"
    )


@functools.cache
def load_registry() -> Registry:
    """Discover the plugins once, on first use. `load_registry.cache_clear()` resets it."""
    manager, trial = _build_manager(), _build_manager()
    good: dict[str, ProviderInfo] = {}
    broken: dict[str, PluginError] = {}
    for name, claims in sorted(_find_entry_points().items()):
        try:
            info = _load(manager, trial, name, claims)
            if info is not None:
                good[name] = info
        except PluginError as error:
            broken[name] = error
            trial = _build_manager()  # the other one may still have its hooks
            _warn_once(str(error))
    return Registry(manager, MappingProxyType(good), MappingProxyType(broken))


def _build_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _warn_once(text: str) -> None:
    try:
        warnings.warn(text, UserWarning, stacklevel=4)
    except UserWarning:
        _log.warning("%s", text)  # warnings are errors here, and the other plugins must still load


def _find_entry_points() -> dict[str, list[metadata.EntryPoint]]:
    """Map provider name -> entry points, in the order of the path."""
    # `metadata.entry_points` would also read the name of each distribution and parse its entry
    # points, which takes twice as long: an environment may have hundreds.
    found: dict[str, list[metadata.EntryPoint]] = {}
    for distribution in metadata.distributions():
        if f"[{PROJECT}]".encode() not in _read_entry_points(distribution):
            continue
        for entry in distribution.entry_points.select(group=PROJECT):
            found.setdefault(entry.name, []).append(entry)
    return found


def _read_entry_points(distribution: metadata.Distribution) -> bytes:
    folder = getattr(distribution, "_path", None)
    if not isinstance(folder, Path):  # found in another way than in a folder of the path
        return (distribution.read_text("entry_points.txt") or "").encode()
    try:  # `read_text` takes twice as long
        descriptor = os.open(f"{folder}/entry_points.txt", os.O_RDONLY)
    except OSError:
        return b""
    with open(descriptor, "rb", buffering=0) as file:
        return file.read()


def _find_owner(entry: metadata.EntryPoint) -> str:
    """Find the distribution of an entry point, in one spelling."""
    # After an interrupted uninstall, a distribution has no name.
    distribution = entry.dist.metadata["Name"] if entry.dist is not None else None
    return (distribution or entry.value).lower().replace("_", "-")


def _load(
    manager: pluggy.PluginManager,
    trial: pluggy.PluginManager,
    name: str,
    claims: Sequence[metadata.EntryPoint],
) -> ProviderInfo | None:
    """Register one plugin. Returns `None` if it has hooks but declares no provider.

    It is tried in a manager without other plugins first, so that no hook of a broken one ever runs.
    """
    # A distribution that is on the path twice counts once.
    owners = sorted(set(map(_find_owner, claims))) if len(claims) > 1 else ()
    if len(owners) > 1:
        # The name decides which code receives the credentials, so choosing one would be unsafe.
        raise PluginError(
            f"The provider {name!r} is claimed by {' and '.join(owners)}: "
            "uninstall all but one of these distributions"
        )
    entry = claims[0]
    try:
        plugin = entry.load()
        trial.register(plugin, name=name)
        trial.check_pending()
        declared = trial.hook.recording_provider()
        declares = bool(trial.hook.recording_provider.get_hookimpls())
        has_hooks = bool(trial.get_hookcallers(plugin))
        trial.unregister(plugin)
    except BaseException as error:
        if not isinstance(error, Exception | SystemExit):
            raise
        raise PluginError(
            f"The plugin of provider {name!r} (distribution {_find_owner(entry)}, {entry.value}) "
            f"cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    is_provider = declares or not has_hooks
    if is_provider and (fault := _find_fault(name, declared)):
        raise PluginError(
            f"The plugin of provider {name!r} (distribution {_find_owner(entry)}) {fault}"
        )
    manager.register(plugin, name=name)
    return declared[0] if is_provider else None


def _find_fault(name: str, declared: list[Any]) -> str | None:
    """Find what is wrong with the results of a plugin's `recording_provider` hook."""
    if len(declared) != 1:
        return f"declares {len(declared)} providers in recording_provider(); it must declare one"
    info = declared[0]
    if not isinstance(info, ProviderInfo):
        return f"returns a {type(info).__name__} from recording_provider(), not a ProviderInfo"
    if info.name != name or not NAME_PATTERN.fullmatch(name):
        return (
            f"declares the name {info.name!r}; the entry point and the ProviderInfo must have the "
            "same lower-case name"
        )
    if not all(isinstance(setting, Setting) for setting in info.settings):
        return "declares a setting that is not a Setting"
    price: object = info.storage_price
    if not isinstance(price, StoragePrice | None):
        return "declares a storage_price that is not a StoragePrice"
    for kind, operations in info.capabilities.items():
        if not isinstance(kind, SessionKind) or not all(
            isinstance(each, Operation) for each in operations
        ):
            return "declares capabilities that are not operations by session kind"
    for role in ("client", "webhooks", "emulator", "assumptions"):
        path = getattr(info, role)
        is_absent = path is None and role != "client"
        if not is_absent and not (isinstance(path, str) and _OBJECT.fullmatch(path)):
            return f"declares {path!r} as its {role}; write it as 'module:name'"
    return None


def load_object(info: ProviderInfo, role: str) -> Any:
    """Import the `client`, `webhooks`, `emulator` or `assumptions` that a `ProviderInfo` names.

    Raises `PluginError` if it names none, or if that cannot be imported.
    """
    path = getattr(info, role)
    if path is None:
        raise PluginError(f"The provider {info.name!r} has no {role}")
    module, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:
        raise PluginError(
            f"The provider {info.name!r} names {path} as its {role}, which cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error


def notify_plugins(hook: str, **facts: Any) -> list[BaseException]:
    """Call a notifying hook of every plugin.

    Exceptions are logged with the plugin's name, and returned.
    """
    raised: list[BaseException] = []
    for implementation in getattr(load_registry().manager.hook, hook).get_hookimpls():
        try:
            implementation.function(*(facts[name] for name in implementation.argnames))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin may call sys.exit()
            _log.exception("The plugin %s failed in %s", implementation.plugin_name, hook)
            raised.append(error)
    return raised
