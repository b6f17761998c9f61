"""Engines: DuckDB in this process, or Spark in your cluster, to compute a report's expressions.

Ibis compiles an expression to SQL for either. DuckDB needs no setup; Spark takes its address,
memory and object storage from its usual settings, such as `spark-defaults.conf`.
"""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from attrs import field, frozen

from recording_core.errors import ConfigurationError, StorageError
from recording_core.listing.row_schema import build_arrow_schema, check_schema
from recording_core.reporting.compute.functions import DUCKDB_MACROS
from recording_core.storage.file_systems import list_protocols, redact_file_url
from recording_core.storage.parquet import open_parquet

if TYPE_CHECKING:
    import ibis
    import pyarrow

#: The names of the tables in the engine.
_ROWS = "recording_rows"
_GROUPS = "recording_groups"
_NEEDS = {"duckdb": ("duckdb", "ibis"), "spark": ("pyspark", "ibis")}
_INSTALL = {
    "duckdb": "pip install 'recording-core[report]'",
    "spark": "pip install 'recording-core[report,spark]', with Java 17",
}


@frozen
class EngineSession:
    """An engine with the rows of a report loaded.

    `schema` is the Arrow schema of the rows; columns of plugins come last. `max_rows` is the number
    of rows whose exact quantiles fit into memory at once; None is unlimited.
    """

    schema: pyarrow.Schema
    _dialect: str
    _run: Callable[[str], pyarrow.Table]
    _register: Callable[[str, pyarrow.Table], object]
    max_rows: int | None = None

    @property
    def rows(self) -> ibis.Table:
        """The rows, as an unbound Ibis table."""
        return _build_table(_ROWS, self.schema)

    def register_groups(self, groups: pyarrow.Table) -> ibis.Table:
        """Register a small table in addition to the rows; the next one replaces it."""
        self._register(_GROUPS, groups)
        return _build_table(_GROUPS, groups.schema)

    def run(self, expression: ibis.Table) -> pyarrow.Table:
        """Compute an expression over `rows`."""
        return self._run(compile_sql(expression.op(), self._dialect))


def compile_sql(node: ibis.expr.operations.Node, dialect: str) -> str:
    """Compile the node of an expression to SQL, which takes longer than most statements."""
    import ibis

    return str(ibis.to_sql(node.to_expr(), dialect=dialect))


class Engine(Protocol):
    """An engine that computes reports."""

    def open(self, source: Any) -> AbstractContextManager[EngineSession]:
        """Open the rows: the addresses of Parquet files (any fsspec URL), or Arrow data."""
        ...


def _build_table(name: str, schema: pyarrow.Schema) -> ibis.Table:
    import ibis

    return ibis.table(ibis.Schema.from_pyarrow(schema), name=name)


def find_engine(engine: str | Engine) -> Engine:
    """Return the engine `duckdb` or `spark`; an engine object is returned unchanged.

    Raises `ConfigurationError` for another name and for an engine that is not installed, so that
    the error appears before the rows are collected.
    """
    if not isinstance(engine, str):
        return engine
    if engine not in _NEEDS:
        raise ConfigurationError(f"no engine is named {engine!r}; possible are {', '.join(_NEEDS)}")
    with _require_packages(engine):
        return DuckDB() if engine == "duckdb" else Spark()


@contextmanager
def _require_packages(engine: str) -> Iterator[None]:
    """Raise `ConfigurationError` if the packages of an engine cannot be imported."""
    try:
        for package in _NEEDS[engine]:
            if find_spec(package) is None:
                raise ModuleNotFoundError(name=package)
        yield
    except ImportError as error:
        raise ConfigurationError(
            f"The engine {engine} needs {error.name or 'a package'}, which is not installed: "
            f"{_INSTALL[engine]}"
        ) from None


# -- sources --------------------------------------------------------------------------------------


@frozen
class _Source:
    """The addresses of Parquet files, with an empty table of their schema; or Arrow data."""

    table: pyarrow.Table
    paths: tuple[str, ...]
    row_count: int


def _read_source(source: Any) -> _Source:
    if hasattr(source, "__arrow_c_stream__"):
        import pyarrow as pa

        # Read into memory, since a stream can be read once and a report runs several statements.
        table = pa.RecordBatchReader.from_stream(source).read_all()
        check_schema(table.schema, "the Arrow data")
        return _Source(table, (), table.num_rows)
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        source = (source,)
    if not isinstance(source, Iterable):
        raise TypeError(
            "A report reads Arrow data or the addresses of Parquet files, not a "
            f"{type(source).__name__}."
        )
    paths = tuple(str(each) for each in source)
    schema, row_count = _read_metadata(paths)
    return _Source(schema.empty_table(), paths, row_count)


def _read_metadata(paths: Iterable[str]) -> tuple[pyarrow.Schema, int]:
    """Return the schema of all files, with every plugin's column of any file; and their rows."""
    schema, row_count = build_arrow_schema(), 0
    for path in paths:
        with open_parquet(path) as file:
            found = file.schema_arrow
            row_count += file.metadata.num_rows
        check_schema(found, redact_file_url(path))
        for each in found:
            index = schema.get_field_index(each.name)
            if index < 0:
                schema = schema.append(each)
            elif schema.field(index).type != each.type:
                raise ConfigurationError(
                    f"{redact_file_url(path)} holds the column {each.name!r} as {each.type}, and "
                    f"another file as {schema.field(index).type}: collect the folder again."
                )
    return schema, row_count


# -- DuckDB ---------------------------------------------------------------------------------------

#: Bytes of memory per row for quantiles and for sorted starts and ends, without spilling to disk.
_BYTES_PER_ROW = 192
_BYTES_BY_UNIT = {
    unit: 1024**power for power, unit in enumerate(("bytes", "KiB", "MiB", "GiB", "TiB"))
}
#: As many rows are loaded once; of more, each statement reads the columns that it needs.
_MAX_LOADED_ROWS = 100_000
#: More rows than fit into any machine, so that the limit is none.
_TOO_MANY_ROWS = 1024**5 / _BYTES_PER_ROW


@frozen
class DuckDB:
    """DuckDB in this process. `settings` are those of DuckDB, such as `memory_limit="1GiB"`."""

    settings: Mapping[str, Any] = field(factory=dict)

    @contextmanager
    def open(self, source: Any) -> Iterator[EngineSession]:
        """Open the rows, in a database that exists as long as the context."""
        with _require_packages("duckdb"):
            import duckdb
        rows = _read_source(source)
        with (
            tempfile.TemporaryDirectory(prefix="recordings-report-") as spill,
            _translate_duckdb_errors(duckdb),
            closing(duckdb.connect(config={"temp_directory": spill, **self.settings})) as con,
        ):
            con.execute("SET TimeZone = 'UTC'")
            con.execute("SET preserve_insertion_order = false")
            for macro in DUCKDB_MACROS:
                con.execute(macro)
            if rows.paths:
                _register_files(con, rows)
            else:
                con.register(_ROWS, rows.table)

            def run(sql: str) -> pyarrow.Table:
                return con.sql(sql).to_arrow_table()

            yield EngineSession(
                rows.table.schema, "duckdb", run, con.register, _compute_max_rows(con)
            )


def _register_files(con: Any, rows: _Source) -> None:
    import fsspec

    names, registered = [], {"file"}
    for path in rows.paths:
        system, inner = fsspec.core.url_to_fs(path)
        protocols = list_protocols(system)
        if registered.isdisjoint(protocols):
            con.register_filesystem(system)
            registered.add(protocols[0])
        names.append(glob.escape(inner if "file" in protocols else system.unstrip_protocol(inner)))
    quoted = ", ".join("'{}'".format(each.replace("'", "''")) for each in names)
    # Not by DuckDB's own methods: before version 2 they wait for ever for a file system of fsspec.
    kind = "TABLE" if rows.row_count <= _MAX_LOADED_ROWS else "VIEW"
    con.execute(
        f"CREATE {kind} {_ROWS} AS SELECT * FROM read_parquet("  # noqa: S608  # our own paths, quoted
        f"[{quoted}], union_by_name = true, hive_partitioning = false)"
    )


def _compute_max_rows(con: Any) -> int | None:
    """Compute `max_rows` from DuckDB's limit of memory; None for one that cannot be read.

    DuckDB writes it for people, such as `1.0 GiB`, and some petabytes if the system sets no limit.
    """
    [(limit,)] = con.execute("SELECT current_setting('memory_limit')").fetchall()
    number, _, unit = str(limit).partition(" ")
    try:
        rows = float(number) * _BYTES_BY_UNIT[unit] / _BYTES_PER_ROW
    except (LookupError, ValueError):
        return None
    return max(1, int(rows)) if rows < _TOO_MANY_ROWS else None


@contextmanager
def _translate_duckdb_errors(duckdb: Any) -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise ConfigurationError(
            f"The report does not fit into DuckDB's memory_limit ({_read_first_line(error)}): "
            "raise it, group by day, narrow the window, or use the engine spark."
        ) from error
    except duckdb.Error as error:
        raise StorageError(f"DuckDB cannot read the rows: {_read_first_line(error)}") from error


def _read_first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


# -- Spark ----------------------------------------------------------------------------------------


@frozen
class Spark:
    """Spark, in the session that `SparkSession.builder.getOrCreate()` returns."""

    @contextmanager
    def open(self, source: Any) -> Iterator[EngineSession]:
        """Open the rows as a view in a new session; the settings of your session do not change."""
        with _require_packages("spark"):
            import ibis
            from pyspark.errors import PySparkException
            from pyspark.sql import SparkSession

            ibis.pyspark  # noqa: B018  # the first access registers its settings
        rows = _read_source(source)
        try:
            session = SparkSession.builder.getOrCreate().newSession()
            session.conf.set("spark.sql.session.timeZone", "UTC")
            session.conf.set("spark.sql.execution.arrow.pyspark.enabled", "true")

            def register(name: str, table: pyarrow.Table) -> None:
                session.createDataFrame(table).createOrReplaceTempView(name)

            if rows.paths:
                files = session.read.option("mergeSchema", "true").parquet(*rows.paths)
                files.createOrReplaceTempView(_ROWS)
            else:
                register(_ROWS, rows.table)
            try:
                yield EngineSession(
                    rows.table.schema, "pyspark", lambda sql: session.sql(sql).toArrow(), register
                )
            finally:
                session.catalog.dropTempView(_ROWS)
                session.catalog.dropTempView(_GROUPS)
        except PySparkException as error:
            raise StorageError(f"Spark cannot read the rows: {_read_first_line(error)}") from error
