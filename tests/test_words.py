"""Words: docs, docstrings, comments, messages and names follow docs/glossary.md."""

from __future__ import annotations

import ast
import functools
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TREES = ("recording_core", "providers", "tests", "benchmarks", "cassettes", "docs", ".github")

#: An excluded word or phrase, and what to write in its place (docs/glossary.md).
EXCLUDED = {
    r"told|tells?|telling|untold": "report, return, send, state, show",
    r"says?|said|saying": "report, return, state, document",
    r"nobody|somebody|whoever|whomever|whatever|anybody|everybody": "name who or what it is",
    r"anew|afresh": "again",
    r"beside(?! the video)": "next to, with, in addition to",
    r"by itself|by themselves|all the same|at the door|of its own accord": "plain words",
    r"mend(?:s|ed|ing)?": "fix, repair, correct",
    r"strangers?": "third party, another host",
    r"houses?|rooms?|seams?|dress(?:es|ed)?": "no metaphors: layer, package, overlap row, format",
    r"promis(?:e|es|ed|ing)": "requirement; or `expected`, the total that the vendor reports",
    r"by chance|chances?|dice": "random, by accident",
    r"garbl(?:e|es|ed|ing)": "mutate, malformed",
    r"restless|settled": "unstable, stable",
    r"knows?": "has, reads, supports, remembers",
    r"(?:is|are|was|were|be|been) asked": "receives a request, is queried",
    r"(?-i:[Ww]here)(?!as|ver)": "if, when, that, in which",
    r"(?<!there )(?<!There )is no(?! longer| more)": "is not a",
    r"doubled": "duplicate, repeated",
    r"sign(?:s|ed|ing)?[- ]in|sign-ins?": "authenticate, authentication",
    r"announc(?:e|es|ed|ing)": "dispatch, notify, report",
    r"peers?(?!-to-peer)": "address, host",
    r"as well as|of all that|all that there is": "and; plain words",
    r"heals?|healed": "repairs",
}
PATTERNS = [
    (re.compile(rf"\b(?:{words})\b", re.IGNORECASE), instead) for words, instead in EXCLUDED.items()
]
#: Most sentences contain none of them, which one search shows.
ANY_EXCLUDED = re.compile(rf"\b(?:{'|'.join(EXCLUDED)})\b", re.IGNORECASE)
#: Words that no name of ours contains, as parts of a snake_case or CamelCase name.
EXCLUDED_IN_NAMES = re.compile(
    "told|tells?|telling|untold|says?|said|saying|nobody|somebody|whoever|whatever|anew|mend|mended|"
    "strangers?|house|room|seams?|dress|promises?|promised|chance|dice|garbled?|garbling|restless|"
    "settled|doubled|knows|blind|met|joined|judged|announced?|announcing|refusals?|peers"
)
#: Participles that a function's name must not begin with; others end in -ed.
PARTICIPLES = re.compile(
    "told|met|said|kept|shown|seen|written|known|given|taken|found|sent|made|gone|begun|held|paused|"
    "left|lost|chosen|drawn|done|meant|built|(?!need).*ed"
)
#: Published names (docs/reference-providers.md) that begin with a participle, and a method that
#: Python prescribes for files.
PUBLISHED = frozenset({"required_text", "given_parameters", "tell"})
#: Data that we did not write: a vendor's words as its pages quote them.
QUOTED = re.compile(r"<!-- quoted -->.*?<!-- end of quoted -->", re.DOTALL)
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`\n]+`|\]\([^)]*\)|<[^>\n]+>")


def python_files() -> list[Path]:
    return sorted(
        path
        for tree in TREES
        for path in (ROOT / tree).rglob("*.py")
        if path != Path(__file__).resolve() and ".venv" not in path.parts
    )


def pages() -> list[Path]:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("cassettes/*.md")]
    found += [*ROOT.glob("providers/*/README.md"), *ROOT.glob("tests/**/*.md")]
    return sorted(path for path in found if path.name != "glossary.md")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


class Definition(NamedTuple):
    """A module, class or function: its line, its name, its decorators and its docstring."""

    path: Path
    line: int
    name: str
    decorators: str
    docstring: str
    is_function: bool


@functools.cache
def read_definitions() -> list[Definition]:
    """Read all modules, classes and functions. Their trees are not kept: they are large."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        Definition(
            path,
            getattr(node, "lineno", 1),
            getattr(node, "name", ""),
            " ".join(map(ast.unparse, getattr(node, "decorator_list", ()))),
            ast.get_docstring(node) or "",
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef),
        )
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kinds)
    ]


def read_sentences(path: Path) -> Iterator[tuple[int, str]]:
    """Comments, docstrings and strings of more than one word, with their lines."""
    text = path.read_text()
    if not ANY_EXCLUDED.search(text):  # as in most files
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


def find_excluded(text: str) -> list[str]:
    text = CODE.sub("``", text)
    if not ANY_EXCLUDED.search(text):
        return []
    return [
        f"{found[0]!r} (write: {instead}): {text[max(0, found.start() - 30) : found.end() + 30]!r}"
        for pattern, instead in PATTERNS
        for found in pattern.finditer(text)
    ]


def split_name(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return spaced.lower().strip("_").split("_")


# One test per rule and not per file: a test of its own costs more than the check of a file.


def test_code_uses_no_excluded_word() -> None:
    found = [
        f"{name_of(path)}:{line}: {each}"
        for path in python_files()
        for line, text in read_sentences(path)
        for each in find_excluded(text)
    ]
    assert not found, "\n".join(found)


def test_pages_use_no_excluded_word() -> None:
    found = [
        f"{name_of(path)}: {each}"
        for path in pages()
        for each in find_excluded(FENCE.sub("", QUOTED.sub("", path.read_text())))
    ]
    assert not found, "\n".join(found)


def test_names_use_no_excluded_word() -> None:
    found = [
        f"{name_of(each.path)}:{each.line} {each.name}"
        for each in read_definitions()
        if each.name not in PUBLISHED
        and any(map(EXCLUDED_IN_NAMES.fullmatch, split_name(each.name)))
    ]
    assert not found, "\n".join(found)


def test_no_function_is_named_by_a_participle() -> None:
    found = [
        f"{name_of(each.path)}:{each.line} {each.name} does not begin with a verb"
        for each in read_definitions()
        if each.is_function
        and "property" not in each.decorators  # a value
        and "fixture" not in each.decorators
        and each.name not in PUBLISHED
        and PARTICIPLES.fullmatch(split_name(each.name)[0])
    ]
    assert not found, "\n".join(found)


def test_a_docstring_states_and_does_not_ask() -> None:
    firsts = [(each.path, each.docstring.partition("\n")[0]) for each in read_definitions()]
    found = [f"{name_of(path)}: {first}" for path, first in firsts if "?" in first]
    assert not found, "\n".join(found)
