"""What does storing cost? The plugins' published prices, and the user's own table above them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from recording_core.errors import ConfigurationError
from recording_core.model.capabilities import StoragePrice
from recording_core.plugins.registry import providers

__all__ = ["Prices", "price_table", "published"]

_NUMBERS = ("per_minute_month", "per_gb_month")
_KNOWN = (*_NUMBERS, "free_days")


@frozen
class Prices:
    """Provider -> what storing costs there, all in one currency; who is not named has no price."""

    of: Mapping[str, StoragePrice] = field(factory=dict)
    currency: str = "USD"


def published(currency: str = "USD") -> Prices:
    """What the installed plugins declare in that currency; nobody converts another."""
    declared = {name: info.storage_price for name, info in providers().items()}
    return Prices(
        {
            name: price
            for name, price in declared.items()
            if price is not None and price.currency == currency
        },
        currency,
    )


def price_table(path: str | Path | None = None) -> Prices:
    """The published prices, with those of a TOML file in their place.

        currency = "EUR"            # of the whole table; "USD" where it is left out
        [some_vendor]
        per_minute_month = 0.0004   # or per_gb_month, where 1 GB is 10^9 bytes
        free_days = 90              # 0 where it is left out

    Raises `ConfigurationError` that names the file, the table and the key.
    """
    if path is None:
        return published()
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the price table {path} cannot be read ({type(error).__name__}: {error})"
        ) from None
    currency = table.pop("currency", "USD")
    if not isinstance(currency, str) or not currency.isalpha() or len(currency) != 3:
        raise ConfigurationError(
            f'{path}: currency must be a word of three letters, such as "USD", not {currency!r}'
        )
    base = published(currency.upper())
    own = {name: _price(path, name, given, base.currency) for name, given in table.items()}
    return evolve(base, of={**base.of, **own})


def _price(path: str | Path, provider: str, given: Any, currency: str) -> StoragePrice:
    where = f"{path}: [{provider}]"
    if not isinstance(given, dict):
        raise ConfigurationError(f"{where} must be a table with {', '.join(_KNOWN)}")
    for key, value in given.items():
        if key not in _KNOWN:
            raise ConfigurationError(f"{where} has {key!r}; possible are {', '.join(_KNOWN)}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigurationError(f"{where} {key} must be a number, not {value!r}")
        if not isfinite(value) or value < 0:
            raise ConfigurationError(f"{where} {key} must be 0 or more, not {value!r}")
    try:
        return StoragePrice(
            currency=currency,
            **{key: float(given[key]) for key in _NUMBERS if key in given},
            free_days=given.get("free_days", 0),
        )
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{where} {error}") from None
