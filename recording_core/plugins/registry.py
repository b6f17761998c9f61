"""Which providers are installed? Discovery through entry points; a broken one harms no other."""

from __future__ import annotations

import functools
import importlib
import logging
import re
import warnings
from collections.abc import Mapping
from importlib import metadata
from types import MappingProxyType
from typing import Any

import pluggy
from attrs import field, frozen

from recording_core.errors import PluginError
from recording_core.model.capabilities import Operation, ProviderInfo, Setting, StoragePrice
from recording_core.model.enums import SessionKind
from recording_core.plugins import hookspecs
from recording_core.plugins.hookspecs import PROJECT

__all__ = [
    "Registry",
    "notify_plugins",
    "load_object",
    "provider_info",
    "providers",
    "load_registry",
]

_log = logging.getLogger("recording_core.plugins")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_OBJECT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@frozen
class Registry:
    """What discovery found: good providers, and why each of the others cannot be used."""

    manager: pluggy.PluginManager = field(repr=False)
    providers: Mapping[str, ProviderInfo]
    broken: Mapping[str, PluginError]


def providers() -> Mapping[str, ProviderInfo]:
    """The installed providers by name, sorted. Imports no client and no HTTP library.

    A plugin that cannot be used is named once in a `UserWarning` and left out; asking for it by
    name raises its `PluginError`.
    """
    return load_registry().providers


def provider_info(name: str) -> ProviderInfo:
    """The provider of that name. Raises `PluginError` where there is none, or it is broken."""
    found = load_registry()
    if name in found.providers:
        return found.providers[name]
    if name in found.broken:
        raise found.broken[name]
    known = ", ".join(found.providers) or "none"
    raise PluginError(
        f"no provider is named {name!r}; installed are: {known}. "
        f"Install its distribution, such as recording-{name}, into this environment"
    )


@functools.cache
def load_registry() -> Registry:
    """Discover once, on first use. `registry.cache_clear()` discovers anew."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    good: dict[str, ProviderInfo] = {}
    broken: dict[str, PluginError] = {}
    for name, claims in sorted(_entry_points().items()):
        try:
            info = _load(manager, name, claims)
            if info is not None:
                good[name] = info
        except PluginError as error:
            broken[name] = error
            _warn(str(error))
    return Registry(manager, MappingProxyType(good), MappingProxyType(broken))


def _warn(text: str) -> None:
    try:
        warnings.warn(text, UserWarning, stacklevel=4)
    except UserWarning:
        _log.warning("%s", text)  # where warnings are errors, the others must load all the same


def _entry_points() -> dict[str, dict[str, metadata.EntryPoint]]:
    """Provider name -> distribution -> entry point. One distribution seen twice counts once."""
    found: dict[str, dict[str, metadata.EntryPoint]] = {}
    for entry in metadata.entry_points(group=PROJECT):
        # An interrupted uninstall leaves a distribution without a name.
        distribution = entry.dist.metadata["Name"] if entry.dist is not None else None
        owner = (distribution or entry.value).lower().replace("_", "-")
        found.setdefault(entry.name, {}).setdefault(owner, entry)
    return found


def _load(
    manager: pluggy.PluginManager, name: str, claims: Mapping[str, metadata.EntryPoint]
) -> ProviderInfo | None:
    """Register one plugin; None for one that has hooks and declares no provider."""
    if len(claims) > 1:
        # A name decides who is handed the credentials: nobody guesses between two claims.
        raise PluginError(
            f"provider {name!r} is claimed by {' and '.join(sorted(claims))}: "
            "uninstall all but one of these distributions"
        )
    owner, entry = next(iter(claims.items()))
    try:
        plugin = entry.load()
        # Asked before it is registered, so that a broken plugin's other hooks never run either.
        trial = pluggy.PluginManager(PROJECT)
        trial.add_hookspecs(hookspecs)
        trial.register(plugin, name=name)
        trial.check_pending()
        answers = trial.hook.recording_provider()
        declares = bool(trial.hook.recording_provider.get_hookimpls())
        has_hooks = bool(trial.get_hookcallers(plugin))
    except BaseException as error:
        if not isinstance(error, Exception | SystemExit):
            raise
        raise PluginError(
            f"the plugin of provider {name!r} (distribution {owner}, {entry.value}) "
            f"cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    info = _checked(name, owner, answers) if declares or not has_hooks else None
    manager.register(plugin, name=name)
    return info


def _checked(name: str, owner: str, answers: list[Any]) -> ProviderInfo:
    def refuse(why: str) -> PluginError:
        return PluginError(f"the plugin of provider {name!r} (distribution {owner}) {why}")

    if len(answers) != 1:
        raise refuse(f"declares {len(answers)} providers with recording_provider(), not one")
    info = answers[0]
    if not isinstance(info, ProviderInfo):
        raise refuse(f"answers a {type(info).__name__} to recording_provider(), no ProviderInfo")
    if info.name != name or not _NAME.fullmatch(name):
        raise refuse(
            f"calls itself {info.name!r}; the entry point and the ProviderInfo must agree on one "
            "lower-case name"
        )
    if not all(isinstance(setting, Setting) for setting in info.settings):
        raise refuse("declares settings that are no Setting")
    if not isinstance(info.storage_price, StoragePrice | None):
        raise refuse("declares a storage_price that is no StoragePrice")
    for kind, operations in info.capabilities.items():
        if not isinstance(kind, SessionKind) or not all(
            isinstance(each, Operation) for each in operations
        ):
            raise refuse("declares capabilities that are not operations by kind")
    for role in ("client", "webhooks", "emulator"):
        value = getattr(info, role)
        if not (value is None and role != "client") and not (
            isinstance(value, str) and _OBJECT.fullmatch(value)
        ):
            raise refuse(f"names its {role} {value!r}; it must read 'module:name'")
    return info


def load_object(info: ProviderInfo, role: str) -> Any:
    """Import what a `ProviderInfo` names as its `client`, `webhooks` or `emulator`.

    Raises `PluginError` where it names none or cannot be imported.
    """
    path = getattr(info, role)
    if path is None:
        raise PluginError(f"provider {info.name!r} ships no {role}")
    module, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:
        raise PluginError(
            f"provider {info.name!r} names {path} as its {role}, which cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error


def notify_plugins(hook: str, **facts: Any) -> list[BaseException]:
    """Call an announcing hook of every plugin; what one raises is logged with its name."""
    raised: list[BaseException] = []
    for implementation in getattr(load_registry().manager.hook, hook).get_hookimpls():
        try:
            implementation.function(*(facts[name] for name in implementation.argnames))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin may even try to leave
            _log.exception("plugin %s failed in %s", implementation.plugin_name, hook)
            raised.append(error)
    return raised
