"""CSV of a report: safe in a spreadsheet, and read back as it was written."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording_core.reporting.csv_format import (
    format_csv,
    parse_csv,
    protect_text,
    unprotect_text,
)

STARTS = "=+-@\t\r\n＝＋－＠"


@pytest.mark.parametrize("start", STARTS)
def test_text_like_a_formula_gets_an_apostrophe_in_cells_and_headings(start: str) -> None:
    text = f'{start}HYPERLINK("http://x.example")'
    rows = list(csv.reader(io.StringIO(format_csv([text], [[text]]), newline="")))
    assert rows == [[f"'{text}"], [f"'{text}"]]


def test_each_word_of_a_field_gets_an_apostrophe() -> None:
    # A spreadsheet whose delimiter is a semicolon makes a cell of each.
    text = format_csv(["words", "map"], [[["a", "=1+2"], {"=key": "=1"}]])
    assert text == "words,map\na;'=1+2,'=key==1\n"


def test_numbers_and_times_are_written_unchanged() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    values = [-5, -1.5, None, True, at, timedelta(seconds=-2), "-5", "abc"]
    text = format_csv(["x"], [values])
    assert text == "x\n-5,-1.5,,True,2026-01-02T00:00:00+00:00,-2.0,'-5,abc\n"


def test_raw_adds_no_apostrophe() -> None:
    assert format_csv(["=a"], [["=1+2"]], raw=True) == "=a\n=1+2\n"


def test_excel_gets_a_byte_order_mark_semicolons_and_decimal_commas() -> None:
    text = format_csv(["a", "b"], [["ä,;", 1.5], ["=1", 1234567]], excel=True)
    assert text == '\ufeffa;b\n"ä,;";1,5\n\'=1;1234567\n'


@given(st.text("'=+-@＝\t ab"))
def test_a_text_is_read_back_as_it_was_written(text: str) -> None:
    protected = protect_text(text)
    assert unprotect_text(protected) == text
    assert protected == text or protected == f"'{text}"
    assert not protected.startswith(tuple(STARTS))


@given(
    st.lists(st.text("'=+-@＝ab,;\"\u00e4", min_size=1), min_size=1, max_size=3),
    st.booleans(),
)
def test_our_csv_is_parsed_back(cells: list[str], excel: bool) -> None:
    names = [f"column_{number}" for number in range(len(cells))]
    text = format_csv([*names, "last"], [[*cells, "x"]], excel=excel)
    found, rows = parse_csv(io.StringIO(text, newline=""))
    assert found == (*names, "last")
    assert list(rows) == [(2, dict(zip(names, cells, strict=True)) | {"last": "x"})]


@pytest.mark.parametrize(
    "text",
    [
        "provider,kind,started_at\nplivo,call,2026\n",
        "\ufeffProvider; KIND ;Started At\r\nplivo;call;2026\r\n;;\r\n",
        "PROVIDER\tKind\tStarted-at\nplivo\tcall\t 2026 \textra\n",
        '"Provider";"Kind";"started  at"\n"plivo";"call";"2026"\n\n',
    ],
)
def test_headings_and_delimiters_of_spreadsheets_are_read(text: str) -> None:
    names, rows = parse_csv(io.StringIO(text, newline=""))
    assert names == ("provider", "kind", "started_at")
    assert list(rows) == [(2, {"provider": "plivo", "kind": "call", "started_at": "2026"})]
