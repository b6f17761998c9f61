"""Owner: which vendor account the folder of an account belongs to.

    PROVIDER/ACCOUNT/account-HEX.json      a fingerprint of the vendor's account

Two accounts of one name would mix their recordings, so the second one is refused.
"""

from __future__ import annotations

import hashlib
import json
import os

from recording_core.archiving.record import build_account_folder
from recording_core.errors import ConfigurationError, StorageError
from recording_core.model.entities import Recording
from recording_core.provider.provider import Provider
from recording_core.storage.folder import Folder

_PREFIX, _SUFFIX = "account-", ".json"


def check_owner(folder: Folder, provider: Provider, recording: Recording | None = None) -> bool:
    """Check that an account's folder belongs to the vendor account, or claim it.

    `recording` is needed if the provider names an `account_field`. Returns whether the vendor's
    account could be identified. Raises `ConfigurationError` if the folder belongs to another
    account, and `StorageError` if that cannot be read.
    """
    fingerprint = compute_fingerprint(provider, recording)
    if fingerprint is None:
        return False
    path = build_account_folder(provider.name, provider.account)
    if not _compare_owners(folder, path, provider, fingerprint):
        content = {"provider": provider.name, "fingerprint": fingerprint}
        name = f"{path}/{_PREFIX}{os.urandom(8).hex()}{_SUFFIX}"
        folder.write(name, json.dumps(content).encode() + b"\n")
        # Another account may have claimed it at the same moment.
        _compare_owners(folder, path, provider, fingerprint)
    return True


def _compare_owners(folder: Folder, path: str, provider: Provider, fingerprint: str) -> int:
    """Compare with what earlier runs wrote, and return how many files these are."""
    names = [
        name
        for name in folder.list_names(path)
        if name.startswith(_PREFIX) and name.endswith(_SUFFIX)
    ]
    for name in names:
        if _read_fingerprint(folder, f"{path}/{name}") != fingerprint:
            raise ConfigurationError(
                f"{folder} holds the recordings of another {provider.info.label} account under the "
                f"name {provider.account!r}. Give this account another name, or use another "
                f"archive. If it is the same account with a new key, remove "
                f"{folder.describe(f'{path}/{name}')}"
            )
    return len(names)


def compute_fingerprint(provider: Provider, recording: Recording | None = None) -> str | None:
    """Compute a digest of the vendor's account; None if nothing identifies it.

    It is made of the account's ids among the settings, else of the vendor's id of the account in a
    recording, else of the credentials, slowly, so that it does not help to guess them.
    """
    if provider.account_ids:
        return _digest("ids", *provider.account_ids)
    if provider.account_field is not None:
        value = None if recording is None else recording.raw.get(provider.account_field)
        return _digest("field", value) if isinstance(value, str) and value else None
    return provider.transport.secrets.compute_digest()


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _read_fingerprint(folder: Folder, name: str) -> object:
    try:
        return json.loads(folder.read(name))["fingerprint"]
    except (ValueError, TypeError, KeyError):
        raise StorageError(
            f"{folder.describe(name)}, which states whose recordings these are, cannot be read. "
            "Restore it, or remove it if they are certainly this account's"
        ) from None
