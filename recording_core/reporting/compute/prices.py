"""Prices: storage prices that plugins publish, and your own price table that overrides them."""

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

_RATES = ("per_minute_month", "per_gb_month")
_KEYS = (*_RATES, "free_days")


@frozen
class Prices:
    """Storage prices by provider, all in one currency. Other providers have no price."""

    of: Mapping[str, StoragePrice] = field(factory=dict)
    currency: str = "USD"


def load_published_prices(currency: str = "USD") -> Prices:
    """Load the prices that installed plugins declare in a currency, without conversion."""
    declared = {name: info.storage_price for name, info in providers().items()}
    prices = {name: each for name, each in declared.items() if each and each.currency == currency}
    return Prices(prices, currency)


def read_price_table(path: str | Path) -> Prices:
    """Read a price table in TOML; its prices replace the published ones.

        currency = "EUR"            # of the whole table; default "USD"
        [some_vendor]
        per_minute_month = 0.0004   # or per_gb_month, with 1 GB = 10^9 bytes
        free_days = 90              # default 0

    Raises `ConfigurationError` that names the file, the table and the key.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"The price table {path} cannot be read ({type(error).__name__}: {error})."
        ) from None
    currency = table.pop("currency", "USD")
    if not isinstance(currency, str) or not currency.isalpha() or len(currency) != 3:
        raise ConfigurationError(
            f'{path}: currency must be a code of three letters, such as "USD", not {currency!r}'
        )
    base = load_published_prices(currency.upper())
    own = {name: _parse_price(path, name, entry, base.currency) for name, entry in table.items()}
    return evolve(base, of={**base.of, **own})


def _parse_price(path: str | Path, provider: str, entry: Any, currency: str) -> StoragePrice:
    where = f"{path}: [{provider}]"
    if not isinstance(entry, dict):
        raise ConfigurationError(f"{where} must be a table with {', '.join(_KEYS)}")
    for key, value in entry.items():
        if key not in _KEYS:
            raise ConfigurationError(f"{where} has {key!r}; possible are {', '.join(_KEYS)}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigurationError(f"{where} {key} must be a number, not {value!r}")
        if not isfinite(value) or value < 0:
            raise ConfigurationError(f"{where} {key} must be 0 or more, not {value!r}")
    try:
        return StoragePrice(
            currency=currency,
            **{key: float(entry[key]) for key in _RATES if key in entry},
            free_days=entry.get("free_days", 0),
        )
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{where} {error}") from None
