"""YAML files as trees that know where they stand, so that each fault of an operator's file gets its line and a remedy.

No value of the file gets into a message: any of them may be a secret, in the wrong place too.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISREG
from typing import Final, TypeAlias

import yaml

from exporter.errors import ConfigError, Fault

MAX_BYTES: Final = 1024 * 1024
MAX_NAME: Final = 64
"""Characters of a key that a message shows."""

Scalar: TypeAlias = str | int | float | bool | None

_TAG: Final = "tag:yaml.org,2002:"
_TYPED: Final = frozenset(_TAG + name for name in ("int", "float", "bool", "null"))
_VERBATIM: Final = frozenset(_TAG + name for name in ("str", "timestamp", "value", "merge"))
_PLAIN: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_NAME}}}")
_QUOTED: Final = re.compile(r"""'[^']*'|"[^"]*\"""")
_TERM: Final = re.compile(r"""'(<[a-z ]+>|[^\w\s]|\\t)'""")


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a file and where it stands.

    Attributes:
        file: the file's name.
        path: keys down to the value.
        line: of the value's key, or of the value itself in a list.
        value: what it is.
    """

    file: str
    path: str
    line: int
    value: "Scalar | list[Node] | dict[str, Node]"

    def fault(self, message: str) -> Fault:
        """A fault of this value."""
        return Fault(self.file, self.path, self.line, message)


def read_tree(path: Path) -> Node:
    """The one document of a YAML file; that of an empty file is None.

    Raises:
        ConfigError: the file cannot be read, is not one YAML document, or larger than any configuration is.
    """
    file = str(path)
    text = _decode(file, read_limited(path, MAX_BYTES))
    try:
        loader = _Loader(text)
        return _Builder(file, loader).build(loader.get_single_node())
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(Fault(file, "", line, "has a control character, which YAML does not take")) from None
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_syntax_fault(file, error)) from None
    except (ValueError, OverflowError):
        raise ConfigError(Fault(file, "", None, "has an escape such as \\UFFFFFFFF that is no character")) from None
    except RecursionError:
        raise ConfigError(Fault(file, "", None, "nests without end: is an alias inside of what it names?")) from None


def read_limited(path: Path, limit: int) -> bytes:
    """The bytes of a file.

    Raises:
        ConfigError: it cannot be read, or has more than ``limit`` bytes.
    """
    try:
        # Opening a pipe would wait for somebody to write into it.
        if not S_ISREG(path.stat().st_mode):
            raise ConfigError(_whole(path, "is not a regular file; name one that this user may read"))
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no valid path"
        raise ConfigError(_whole(path, f"cannot be read: {reason}; name a file that this user may read")) from None
    if len(data) > limit:
        raise ConfigError(_whole(path, f"is larger than {limit} bytes; is it the right file?"))
    return data


def _whole(path: Path, message: str) -> Fault:
    return Fault(str(path), "", None, message)


def _decode(file: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(Fault(file, "", line, "is not UTF-8: save the file in that encoding")) from None


def _syntax_fault(file: str, error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    said = ", ".join(part for part in (error.context, error.problem) if part)
    # What the parser quotes is its own terms and punctuation, or else a piece of the file.
    problem = _QUOTED.sub(lambda quoted: quoted[0] if _TERM.fullmatch(quoted[0]) else "...", said)
    remedy = "indent with spaces, and put a value that holds any of : # & * ! % @ ` { } [ ] in quotes"
    return Fault(file, "", mark.line + 1 if mark else None, f"is not valid YAML: {' '.join(problem.split())}; {remedy}")


_NUMBERS: Final = {
    "int": r"[-+]?(0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)",
    "float": r"[-+]?(([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(e[-+]?[0-9]+)?|[0-9]+e[-+]?[0-9]+|\.inf)|\.nan",
}
"""Numbers as people write them today. YAML 1.1 reads 010 as 8, 1:30 as 90, and 1e3 as text."""


class _Loader(yaml.SafeLoader):
    """Reads whatever does not look like a number as text, which no key that takes a number accepts."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.removeprefix(_TAG) not in _NUMBERS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name, _pattern in _NUMBERS.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})$", re.IGNORECASE), list("-+.0123456789"))


class _Builder:
    """Turns composed nodes into ours, aliases resolved."""

    def __init__(self, file: str, loader: yaml.SafeLoader) -> None:
        self._file = file
        self._loader = loader
        self._faults: list[Fault] = []

    def build(self, root: yaml.Node | None) -> Node:
        tree = self._node(root, "", 1)
        if self._faults:
            raise ConfigError(*self._faults)
        return tree

    def _node(self, node: yaml.Node | None, path: str, line: int) -> Node:
        here = Node(self._file, path, line, None)
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return replace(here, value=dict(self._entries(node, path)))
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            items = enumerate(node.value)
            return replace(here, value=[self._node(item, f"{path}[{i}]", _line(item)) for i, item in items])
        return replace(here, value=self._scalar(node, here) if node else None)

    def _entries(self, mapping: yaml.MappingNode, path: str) -> Iterator[tuple[str, Node]]:
        lines: dict[str, int] = {}
        for key, value in mapping.value:
            if not isinstance(key, yaml.ScalarNode):
                self._faults.append(Fault(self._file, path, _line(key), "has a key that is not plain text"))
                continue
            name = str(key.value)
            inner = f"{path}.{_shown(name)}" if path else _shown(name)
            here = Node(self._file, inner, _line(key), None)
            if name == "<<":
                self._faults.append(here.fault("merging is not supported: write the keys out"))
            elif name in lines:
                self._faults.append(here.fault(f"is given twice, first on line {lines[name]}: keep one"))
            else:
                lines[name] = here.line
                yield name, self._node(value, inner, here.line)

    def _scalar(self, node: yaml.Node, here: Node) -> Scalar:
        if isinstance(node, yaml.ScalarNode) and node.tag in _VERBATIM:
            return str(node.value)
        if isinstance(node, yaml.ScalarNode) and node.tag in _TYPED:
            with suppress(ValueError, LookupError, OverflowError):
                value: Scalar = self._loader.construct_object(node)
                return value
        self._faults.append(here.fault("is not a value that can be read; text that begins with ! needs quotes"))
        return None


def _shown(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else json.dumps(name[:MAX_NAME])


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
