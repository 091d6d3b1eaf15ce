"""Checks a tree of YAML against a table of keys."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from exporter.errors import Fault, Invalid
from exporter.yamlfile.tree import Node


@dataclass(frozen=True, slots=True)
class Key:
    """A key that an operator may write.

    Attributes:
        path: names down to it, with dots between.
        kind: what it takes.
        help: a sentence for the reference.
        example: as it stands in a file.
        default: in words, where the settings cannot say it.
        restart_only: whether a change takes effect at a restart only.
    """

    path: str
    kind: "Kind"
    help: str
    example: str
    default: str = ""
    restart_only: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """What a key takes.

    Attributes:
        expects: in words, such as ``a duration such as 10s``.
        read: the value of a node; raises Invalid where it holds something else.
        show: a value as it would be written.
        keys: what may stand below it, for the reference.
    """

    expects: str
    read: Callable[[Node], Any]
    show: Callable[[Any], str] = str
    keys: tuple[Key, ...] = ()


@dataclass(slots=True)
class Found:
    """What a file says.

    Attributes:
        values: what the keys hold, by path.
        nodes: each key and section that is there and not empty, by path.
        faults: of what was refused.
    """

    values: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def section(self, path: str) -> dict[str, Any]:
        """The values right below a path, by the last part of their own."""
        found = ((key.rpartition("."), value) for key, value in self.values.items())
        return {name: value for (parent, _, name), value in found if parent == path}

    def place(self, path: str) -> Node:
        """Where the key or section is, or would be: at what it is in, where it is not there itself."""
        place = path
        while place not in self.nodes and place:
            place = place.rpartition(".")[0]
        node, above = self.nodes[place], self.nodes[""].path
        return Node(node.file, ".".join(filter(None, (above, path))), node.line, None)

    def fault(self, path: str, message: str) -> None:
        """Note a fault of the key or section."""
        self.faults.append(self.place(path).fault(message))


def check(root: Node, keys: Iterable[Key]) -> Found:
    """The values of a tree, and each fault in it; sections that are empty count as absent."""
    table = {key.path: key for key in keys}
    names: dict[str, dict[str, None]] = {}
    for path in table:
        while path:
            parent, _, name = path.rpartition(".")
            names.setdefault(parent, {})[name] = None
            path = parent  # noqa: PLW2901 - climbs from the key to the root
    found = Found(nodes={"": root})
    _Walk(table, names, found).section(root, "")
    return found


@dataclass(frozen=True, slots=True)
class _Walk:
    table: Mapping[str, Key]
    names: Mapping[str, Mapping[str, None]]
    found: Found

    def section(self, node: Node, path: str) -> None:
        if node.value is None:
            return
        if not isinstance(node.value, dict):
            expected = ", ".join(self.names[path])
            self.found.faults.append(node.fault(f"expected keys with values below it: {expected}"))
            return
        for name, inner in node.value.items():
            if name in self.names[path]:
                self._entry(inner, f"{path}.{name}" if path else name)
            else:
                self.found.faults.append(inner.fault(unknown(name, self.names[path])))

    def _entry(self, node: Node, path: str) -> None:
        if node.value is not None:
            self.found.nodes[path] = node
        if path in self.names and (isinstance(node.value, dict | None) or path not in self.table):
            self.section(node, path)
            return
        try:
            self.found.values[path] = self.table[path].kind.read(node)
        except Invalid as error:
            self.found.faults += error.faults


def unknown(name: str, known: Iterable[str], what: str = "key") -> str:
    """The message for a name that is none of those known."""
    close = get_close_matches(name, known, 1)
    return f"unknown {what}; did you mean {close[0]}?" if close else f"unknown {what}; there are {', '.join(known)}"
