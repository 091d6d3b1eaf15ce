"""Keys of a YAML file from the annotated fields of dataclasses.

``timeout: Annotated[float, duration(), Doc("Until the answer is complete.", "5s")] = 18.0`` is the key ``timeout``. A
field whose type is a dataclass is a section; one whose type has neither kind nor section is not read from a file. A
field ``for_`` is the key ``for``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import MappingProxyType, UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from exporter.errors import Invalid
from exporter.yamlfile.schema import Key, Kind, check
from exporter.yamlfile.tree import Node

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Doc:
    """What the reference says of a key.

    Attributes:
        help: a sentence.
        example: as it stands in a file.
        default: in words, where the field's own default does not say it.
        restart_only: whether a change takes effect at a restart only.
    """

    help: str
    example: str
    default: str = ""
    restart_only: bool = False


_UNDOCUMENTED = Doc("", "")


def keys(section: type, prefix: str = "") -> Iterator[Key]:
    """The keys of a section and those below it, in the order of the fields."""
    for name, hint in get_type_hints(section, include_extras=True).items():
        path = f"{prefix}{_written(name)}"
        marks = getattr(hint, "__metadata__", ())
        kind = next((mark for mark in marks if isinstance(mark, Kind)), None)
        doc = next((mark for mark in marks if isinstance(mark, Doc)), _UNDOCUMENTED)
        if kind:
            yield Key(path, kind, doc.help, doc.example, doc.default, restart_only=doc.restart_only)
        elif inner := _section(hint):
            yield from keys(inner, f"{path}.")


def build(section: type[_T], values: Mapping[str, Any], prefix: str = "") -> _T:
    """A section of the values by path; fields without a value keep their defaults."""
    hints, arguments = get_type_hints(section), {}
    for name in (field.name for field in fields(section)):  # type: ignore[arg-type]  # sections are dataclasses
        path = f"{prefix}{_written(name)}"
        if path in values:
            arguments[name] = values[path]
        elif is_dataclass(hints[name]):
            arguments[name] = build(hints[name], values, f"{path}.")
    return section(**arguments)


def section(of: type, missing: Mapping[str, str] = MappingProxyType({})) -> Kind:
    """A section that is a value itself, such as one in a list; ``missing`` says what to do without a key it needs."""
    known = tuple(keys(of))

    def read(node: Node) -> Any:  # noqa: ANN401 - of the class that was given
        found = check(node, known)
        if not found.faults:
            for name in missing.keys() - found.values.keys():
                found.fault(name, f"is missing: {missing[name]}")
        if found.faults:
            raise Invalid(*found.faults)
        return build(of, found.values)

    return Kind(", ".join(key.path for key in known), read, keys=known)


def _written(name: str) -> str:
    return name.removesuffix("_")


def _section(hint: Any) -> type | None:  # noqa: ANN401 - a type hint can be anything
    """The dataclass that a type names, on its own or beside None."""
    parts = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    return next((part for part in parts if isinstance(part, type) and is_dataclass(part)), None)
