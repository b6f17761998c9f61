"""What is one row of a report? A table of columns, and recordings turned into Arrow by them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from math import isfinite
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from recording_core.errors import ConfigurationError, PluginError
from recording_core.model.entities import Recording
from recording_core.plugins.registry import load_registry

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "COLUMNS",
    "SCHEMA_VERSION",
    "TYPES",
    "Column",
    "Rows",
    "arrow_schema",
    "check_schema",
    "declared_columns",
    "rows",
]

#: Raised whenever a column changes its name, its type or its meaning.
SCHEMA_VERSION = 1
#: Where an Arrow schema, and so a Parquet file, carries it.
_VERSION_KEY = b"recording_core.row_schema"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Few enough that the recordings of a batch are gone before the garbage collector counts them as
#: old: batches of 8192 took a third longer. What DuckDB itself works on at once.
_BATCH = 2048
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_Value = Callable[[Recording], Any]

#: a column's type -> how Arrow names it
TYPES = {
    "text": "string",
    "time": "timestamp[us, UTC]",
    "seconds": "double",
    "bytes": "int64",
    "count": "int64",
    "number": "double",
}


@frozen
class Column:
    """One column of the rows: its name, the word for its type, and what it says.

    `type` is `text`, `time` (an aware datetime), `seconds` (a float), `bytes`, `count` (ints) or
    `number` (a float). `read` takes a `Recording` and answers the value, or None where it is not
    known; a plugin declares such columns with the hook `recording_report_columns`.

    Raises `ValueError` for a name that is no lower-case identifier and for another type.
    """

    name: str
    type: str
    words: str
    read: _Value | None = field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a column's name is lower case [a-z0-9_], not {self.name!r}")
        if self.type not in TYPES:
            raise ValueError(
                f"column {self.name!r} has type {self.type!r}; possible are {', '.join(TYPES)}"
            )


def _kind(recording: Recording) -> str | None:
    kind = recording.kind
    return kind.value if kind is not None else None


def _session_id(recording: Recording) -> str | None:
    target = recording.target
    return target.id if target is not None else None


def _seconds(recording: Recording) -> float | None:
    duration = recording.duration
    return duration.total_seconds() if duration is not None else None


def _column(name: str, type: str, words: str, read: _Value | None = None) -> Column:
    return Column(name, type, words, read or attrgetter(name))


#: What every row has. Times are UTC; null is what the vendor does not say, never a guess.
COLUMNS = (
    _column("provider", "text", "the vendor's name, such as `rec.providers()` lists it"),
    _column("account", "text", "the account's name, as `connect(account=)` was given it"),
    _column("recording_id", "text", "the vendor's id of the recording", attrgetter("id")),
    _column("kind", "text", "`call`, `conference` or `meeting`", _kind),
    _column("session_id", "text", "the id of the call, conference or meeting", _session_id),
    _column("reference", "text", "the vendor's own id of that occurrence"),
    _column("status", "text", "our word for its state", attrgetter("status.value")),
    _column("provider_status", "text", "the vendor's word for its state"),
    _column("started_at", "time", "when recording started"),
    _column("ended_at", "time", "when recording ended"),
    _column("created_at", "time", "when the vendor created the recording"),
    _column("seconds", "seconds", "how long it is, in seconds", _seconds),
    _column("bytes", "bytes", "how large it is, in bytes", attrgetter("size")),
    _column("format", "text", "the media's format, such as `mp3`"),
    _column("channels", "count", "how many audio channels it has"),
    _column("files", "count", "how many files can be had", lambda each: len(each.files)),
    _column("media_expires_at", "time", "when the vendor removes the media"),
    _column("deleted_at", "time", "when it was deleted"),
    _column("error", "text", "the vendor's reason where it failed"),
)


def declared_columns() -> tuple[Column, ...]:
    """The columns that installed plugins add by `recording_report_columns`.

    A plugin whose hook raises, or whose columns are none or clash, is named in a `UserWarning`
    and left out.
    """
    found: list[Column] = []
    for each in load_registry().manager.hook.recording_report_columns.get_hookimpls():
        try:
            answer: tuple[Column, ...] = tuple(each.function())  # type: ignore[arg-type]
            _checked((*found, *answer))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin may raise anything
            warnings.warn(
                f"the report's columns of plugin {each.plugin_name} are left out: "
                f"{type(error).__name__}: {error}",
                UserWarning,
                stacklevel=2,
            )
        else:
            found += answer
    return tuple(found)


def _checked(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Those of a plugin or caller, or `PluginError` for what cannot stand beside ours."""
    columns = tuple(columns)
    taken = {column.name for column in COLUMNS}
    for column in columns:
        if not isinstance(column, Column):
            raise PluginError(f"a report's column must be a Column, not {type(column).__name__}")
        if column.read is None:
            raise PluginError(f"the report's column {column.name!r} has no `read`")
        if column.name in taken:
            raise PluginError(
                f"two of the report's columns are named {column.name!r}: rename the one that a "
                "plugin declares with recording_report_columns"
            )
        taken.add(column.name)
    return columns


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise ConfigurationError(
            "reports need pyarrow, which is not installed: pip install 'recording-core[report]'"
        ) from None
    return pyarrow


def arrow_schema(columns: Iterable[Column] = ()) -> pyarrow.Schema:
    """The rows' Arrow schema, with `columns` after ours; its metadata carries `SCHEMA_VERSION`.

    Raises `ConfigurationError` without pyarrow and `PluginError` for two columns of one name.
    """
    pa = _pyarrow()
    types = _arrow_types(pa)
    return pa.schema(
        [(column.name, types[column.type]) for column in (*COLUMNS, *_checked(columns))],
        metadata={_VERSION_KEY: str(SCHEMA_VERSION).encode()},
    )


def _arrow_types(pa: Any) -> dict[str, Any]:
    by_name = {
        "string": pa.string(),
        "timestamp[us, UTC]": pa.timestamp("us", "UTC"),
        "double": pa.float64(),
        "int64": pa.int64(),
    }
    return {word: by_name[name] for word, name in TYPES.items()}


def check_schema(schema: pyarrow.Schema, where: str) -> None:
    """Whether these are rows that this version reads: ours, perhaps with more columns after them.

    Raises `ConfigurationError` that names `where`, such as a Parquet file, and what to do.
    """
    version = (schema.metadata or {}).get(_VERSION_KEY)
    if version is None:
        raise ConfigurationError(
            f"{where} holds no rows of a report: it is Parquet of another schema. Take it out of "
            "the folder, or name the folder that `recordings report --to` wrote"
        )
    ours = str(SCHEMA_VERSION)
    if version != ours.encode():
        written = version.decode("ascii", "replace")
        newer = written.isdigit() and int(written) > SCHEMA_VERSION
        raise ConfigurationError(
            f"{where} holds rows of schema version {written}, and this reads version {ours}: "
            + (
                "update recording-core"
                if newer
                else "collect the folder anew with `recordings report --to` into an empty one"
            )
        )
    for wanted in arrow_schema():
        index = schema.get_field_index(wanted.name)
        if index < 0 or schema.field(index).type != wanted.type:
            has = "lacks it" if index < 0 else f"has {schema.field(index).type}"
            raise ConfigurationError(
                f"{where} does not hold the column {wanted.name!r} as {wanted.type} (it {has}), "
                "although it says schema version "
                f"{ours}: something rewrote it; collect the folder anew"
            )


def rows(
    recordings: Iterable[Recording], *, columns: Iterable[Column] = (), batch: int = _BATCH
) -> Rows:
    """Recordings as Arrow record batches of at most `batch` rows, as lazily as they come.

    The answer has `__arrow_c_stream__`, so that `pyarrow.table(rows)`, pandas, polars and DuckDB
    read it; iterating yields `pyarrow.RecordBatch`. `columns` come after `COLUMNS`. It reads the
    recordings anew each time, so a listing is swept again, and an iterator is read once.

    Raises `ConfigurationError` without pyarrow, `PluginError` for columns that clash and, while
    it is read, for one whose `read` raises or answers another type; and what the recordings raise.
    """
    if batch < 1:
        raise ValueError("batch must be at least 1")
    columns = _checked(columns)
    _pyarrow()
    return Rows(recordings, columns, batch)


@frozen
class Rows:
    """What `rows` answers: recordings that any Arrow reader takes."""

    _recordings: Iterable[Recording] = field(repr=False)
    columns: tuple[Column, ...] = ()
    batch: int = _BATCH

    @property
    def schema(self) -> pyarrow.Schema:
        """The Arrow schema of every batch."""
        return arrow_schema(self.columns)

    def __iter__(self) -> Iterator[pyarrow.RecordBatch]:
        pa = _pyarrow()
        schema = self.schema
        all_columns = (*COLUMNS, *self.columns)
        # How each column becomes an array is decided once, not once a batch.
        makers = [partial(_MAKERS.get(column.type, _array), pa, column) for column in all_columns]
        source = iter(self._recordings)
        while chunk := list(islice(source, self.batch)):
            arrays = [make(schema.field(index).type, chunk) for index, make in enumerate(makers)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        pa = _pyarrow()
        reader = pa.RecordBatchReader.from_batches(self.schema, iter(self))
        return reader.__arrow_c_stream__(requested_schema)


def _values(column: Column, chunk: list[Recording]) -> list[Any]:
    read = column.read or attrgetter(column.name)
    try:
        return list(map(read, chunk))
    except Exception as error:
        raise _unreadable(column, error) from error


def _unreadable(column: Column, error: Exception) -> PluginError:
    # The value itself is not quoted: it may be what a vendor signed.
    return PluginError(
        f"the report's column {column.name!r} ({column.type}) cannot be read from a recording "
        f"({type(error).__name__}): mend its `read`"
    )


def _array(pa: Any, column: Column, type: Any, chunk: list[Recording]) -> Any:
    values = _values(column, chunk)
    try:
        return pa.array(values, type)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise _unreadable(column, error) from error


def _texts(pa: Any, column: Column, type: Any, chunk: list[Recording]) -> Any:
    values = _values(column, chunk)
    try:
        return pa.array(values, type)
    except UnicodeEncodeError:
        # JSON can spell half a surrogate pair, which no UTF-8 can; a question mark stands for it.
        return pa.array(
            [each and each.encode("utf-8", "replace").decode() for each in values], type
        )
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise _unreadable(column, error) from error


def _times(pa: Any, column: Column, type: Any, chunk: list[Recording]) -> Any:
    """As microseconds, which Arrow takes in a third of the time that datetimes cost it."""
    epoch = _EPOCH
    values = _values(column, chunk)
    try:
        since = [None if each is None else each - epoch for each in values]
        micros = [
            None
            if each is None
            else (each.days * 86_400 + each.seconds) * 1_000_000 + each.microseconds
            for each in since
        ]
        return pa.array(micros, pa.int64()).cast(type)
    except (pa.ArrowException, AttributeError, TypeError) as error:
        raise _unreadable(column, error) from error


def _numbers(pa: Any, column: Column, type: Any, chunk: list[Recording]) -> Any:
    """What is no finite number is not known: no JSON can say it, and no sum survives it."""
    values = _values(column, chunk)
    try:
        return pa.array([each if each is None or isfinite(each) else None for each in values], type)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise _unreadable(column, error) from error


_MAKERS = {"text": _texts, "time": _times, "number": _numbers}
