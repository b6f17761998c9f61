"""Reference: the Markdown of public names, from their signatures and docstrings.

A page names them in a comment, by the directives that Sphinx has for this. So a public host shows
the reference without building it.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from attrs import define, field
from sphinx.pycode import ModuleAnalyzer

#: The text between `<!-- reference ... -->` and `<!-- end of reference -->`, on any page.
BLOCK = re.compile(r"(<!-- reference\n(.*?)\n-->\n).*?(<!-- end of reference -->)", re.DOTALL)
_DIRECTIVE = re.compile(r"\.\. ([\w:]+):: (\S+)")
_OPTION = re.compile(r" +:([\w-]+):(.*)")
#: Sections of docstrings.
_SECTIONS = {"Args:": "Arguments", "Attributes:": "Attributes", "Raises:": "Raises"}
_SECTIONS |= {"Returns:": "Returns"}
_ITEM = re.compile(r"(\*{0,2}\w+(?:, \w+)*): +(.*)")
_WIDTH = 96


@define
class _Directive:
    kind: str
    name: str
    options: dict[str, str] = field(factory=dict)
    text: list[str] = field(factory=list)


def fill_references(page: str) -> str:
    """Write the text of each block of a page."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{build_reference(found[2])}\n\n{found[3]}", page)


def build_reference(directives: str) -> str:
    """Build the Markdown of the names that the directives list."""
    parts: list[str] = []
    package = ""
    for each in _read_directives(directives):
        if each.kind == "currentmodule":
            package = each.name
        elif each.kind == "automodule":
            parts.append(format_docstring(importlib.import_module(each.name).__doc__))
        elif each.kind == "py:data":
            parts += [f"### `{each.name}`", "\n".join(each.text)]
        else:
            module, _, name = each.name.rpartition(".")
            value = getattr(importlib.import_module(module or package), name)
            parts += [f"### `{name}`", *_describe(name, value)]
            if "members" in each.options:
                parts += _describe_members(name, value, each.options)
    return "\n\n".join(filter(None, parts))


def _read_directives(text: str) -> list[_Directive]:
    found: list[_Directive] = []
    for line in text.splitlines():
        if directive := _DIRECTIVE.fullmatch(line):
            found.append(_Directive(directive[1], directive[2]))
        elif option := _OPTION.fullmatch(line):
            found[-1].options[option[1]] = option[2].strip()
        elif line.strip():
            found[-1].text.append(line.strip())
    return found


def _describe(name: str, value: Any) -> Iterator[str]:
    """Yield the signature and the docstring."""
    if not (isinstance(value, type) and issubclass(value, enum.Enum)):
        try:
            yield f"```py\n{_format_signature(name, value)}\n```"
        except (TypeError, ValueError):
            pass  # a protocol has none
    yield format_docstring(inspect.getdoc(value))


def _describe_members(owner: str, value: type, options: dict[str, str]) -> Iterator[str]:
    """Yield the values of a class as a list, and then its methods."""
    documented = _read_attributes(value)
    wanted = options["members"].replace(",", " ").split()
    names = wanted or [
        name
        for name in _list_names(value, inherited="inherited-members" in options)
        if not name.startswith("_")
        and (
            name in documented
            or inspect.isroutine(_unwrap(value, name))
            or isinstance(_unwrap(value, name), property)
            or ("undoc-members" in options and isinstance(getattr(value, name, None), enum.Enum))
        )
    ]
    methods = [name for name in names if inspect.isroutine(_unwrap(value, name))]
    lines = []
    for name in names:
        if name not in methods:
            member = getattr(value, name, None)
            shown = f" = `{member.value!r}`" if isinstance(member, enum.Enum) else ""
            is_property = isinstance(member, property)
            doc = inspect.getdoc(member) if is_property else documented.get(name)
            text = " ".join((doc or "").split())
            lines.append(f"- `{name}`{shown}" + (f": {text}" if text else ""))
    yield "\n".join(lines)
    for name in methods:
        yield f"#### `{owner}.{name}`"
        yield from _describe(name, getattr(value, name))


def _unwrap(value: type, name: str) -> Any:
    found = inspect.getattr_static(value, name, None)
    return found.__func__ if isinstance(found, classmethod | staticmethod) else found


@cache
def _analyze(module: str) -> Any:
    analyzer = ModuleAnalyzer.for_module(module)
    analyzer.analyze()
    return analyzer


def _read_attributes(value: type) -> dict[str, str]:
    """Read the comments `#:` of a class and its bases."""
    return {
        name: "\n".join(lines)
        for base in reversed(value.__mro__)
        if base.__module__.startswith("recording_")
        for (owner, name), lines in _analyze(base.__module__).attr_docs.items()
        if owner == base.__qualname__
    }


def _list_names(value: type, *, inherited: bool) -> list[str]:
    """List the names that a class defines, or also its bases, in the order of the source."""
    found: dict[str, None] = {}
    for base in value.__mro__ if inherited else (value,):
        if base.__module__.startswith("recording_"):
            order = _analyze(base.__module__).tagorder
            for each in sorted(order, key=order.__getitem__):
                owner, _, name = each.rpartition(".")
                if owner == base.__qualname__:
                    found[name] = None
    return list(found)


class _Raw(str):
    """A text that a signature shows without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _format_signature(name: str, value: Any) -> str:
    signature = inspect.signature(value)
    parameters = [
        each.replace(annotation=_make_raw(each.annotation), default=_make_raw_default(each.default))
        for each in signature.parameters.values()
        if each.name not in ("self", "cls")
    ]
    returned = signature.empty if isinstance(value, type) else signature.return_annotation
    text = str(signature.replace(parameters=parameters, return_annotation=_make_raw(returned)))
    if len(name + text) <= _WIDTH:
        return name + text
    end = text.rindex(")")
    stars = ["*" if each == "*" else each for each in _split_parameters(text[1:end])]
    return f"{name}(\n" + "".join(f"    {each},\n" for each in stars) + f"){text[end + 1 :]}"


def _split_parameters(text: str) -> list[str]:
    """Split at the commas that are outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [each.strip() for each in parts]


def _make_raw(annotation: Any) -> Any:
    return _Raw(annotation) if isinstance(annotation, str) else annotation


def _make_raw_default(default: Any) -> Any:
    if isinstance(default, enum.Enum):
        is_private = type(default).__name__.startswith("_")
        return _Raw("..." if is_private else f"{type(default).__name__}.{default.name}")
    is_readable = default is inspect.Parameter.empty or not re.match(r"<|NOTHING", repr(default))
    return default if is_readable else _Raw("...")


def format_docstring(doc: str | None) -> str:
    """Convert the sections of a docstring to Markdown; the rest of it is Markdown."""
    parts: list[str] = []
    lines = inspect.cleandoc(doc or "").splitlines()
    while lines:
        line = lines.pop(0)
        if line not in _SECTIONS:
            parts.append(re.sub("::$", ":", line))
            continue
        section: list[str] = []
        while lines and (not lines[0] or lines[0].startswith(" ")):
            section.append(lines.pop(0))
        if parts and parts[-1]:
            parts.append("")
        parts += [f"**{_SECTIONS[line]}:**", "", *_format_items(section), ""]
    return "\n".join(parts).strip()


def _format_items(section: list[str]) -> Iterator[str]:
    for line in inspect.cleandoc("\n".join(["", *section])).splitlines():
        item = _ITEM.fullmatch(line)
        if item:
            yield f"- `{item[1]}`: {item[2]}"
        elif line:
            yield f"  {line.strip()}" if line.startswith(" ") else line
