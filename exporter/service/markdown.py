"""The Markdown that runbooks are written in, as HTML: headings, lists, tables, code, links, bold text."""

import re
from collections.abc import Callable, Iterator, Sequence
from html import escape
from textwrap import dedent
from typing import Final

_INLINE: Final = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<bold>.+?)\*\*|\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)")
_ITEM: Final = re.compile(r"(?:-|(\d+)\.) +")
_HEADING: Final = re.compile(r"(#{1,6}) +(.*)")
_PAGE: Final = re.compile(r"(\w+)\.md")
_STARTS: Final = re.compile(r"```|#{1,6} |\||(?:-|\d+\.) ")
_FENCE: Final = "```"


def to_html(text: str) -> str:
    """The text as HTML, everything in it escaped.

    A link leads to another page beside this one, ``NAME.md``, or to the web; of another one the text remains.
    """
    return "\n".join(_blocks(text.splitlines()))


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif line.startswith(_FENCE):
            end = next((n for n in range(at + 1, len(lines)) if lines[n].startswith(_FENCE)), len(lines))
            yield f"<pre><code>{escape(chr(10).join(lines[at + 1 : end]))}</code></pre>"
            at = end + 1
        elif heading := _HEADING.fullmatch(line):
            level = len(heading[1])
            yield f"<h{level}>{_inline(heading[2])}</h{level}>"
            at += 1
        elif line.startswith("|"):
            end = _end(lines, at, lambda found: found.startswith("|"))
            yield _table(lines[at:end])
            at = end
        elif found := _ITEM.match(line):
            end = _end(lines, at, lambda inner: not inner or inner.startswith("  ") or bool(_ITEM.match(inner)))
            yield _list(lines[at:end], "ol" if found[1] else "ul")
            at = end
        else:
            end = _end(lines, at + 1, lambda inner: bool(inner.strip()) and not _STARTS.match(inner))
            yield f"<p>{_inline(' '.join(map(str.strip, lines[at:end])))}</p>"
            at = end


def _end(lines: Sequence[str], start: int, belongs: Callable[[str], bool]) -> int:
    """Where the lines from ``start`` on that belong together end."""
    return next((n for n in range(start, len(lines)) if not belongs(lines[n])), len(lines))


def _list(lines: Sequence[str], tag: str) -> str:
    items: list[list[str]] = []
    for line in lines:
        if marker := _ITEM.match(line):
            items.append([" " * marker.end() + line[marker.end() :]])
        else:
            items[-1].append(line)
    inner = "".join(f"<li>{_item(item)}</li>" for item in items)
    return f"<{tag}>{inner}</{tag}>"


def _item(lines: Sequence[str]) -> str:
    blocks = list(_blocks(dedent("\n".join(lines)).splitlines()))
    only = blocks[0] if len(blocks) == 1 else ""
    return only[3:-4] if only.startswith("<p>") else "".join(blocks)


def _table(lines: Sequence[str]) -> str:
    head, _, *rows = (line.strip("|").split("|") for line in lines)
    body = "".join(f"<tr>{_cells(row, 'td')}</tr>" for row in rows)
    return f"<table><thead><tr>{_cells(head, 'th')}</tr></thead><tbody>{body}</tbody></table>"


def _cells(texts: Sequence[str], tag: str) -> str:
    return "".join(f"<{tag}>{_inline(text.strip())}</{tag}>" for text in texts)


def _inline(text: str) -> str:
    parts, at = [], 0
    for found in _INLINE.finditer(text):
        parts += [escape(text[at : found.start()]), _marked(found)]
        at = found.end()
    return "".join([*parts, escape(text[at:])])


def _marked(found: re.Match[str]) -> str:
    if code := found["code"]:
        return f"<code>{escape(code)}</code>"
    if bold := found["bold"]:
        return f"<strong>{_inline(bold)}</strong>"
    label, target = _inline(found["text"]), found["target"]
    if page := _PAGE.fullmatch(target):
        return f'<a href="{page[1]}">{label}</a>'
    if target.startswith(("https://", "http://")):
        return f'<a href="{escape(target)}" rel="noreferrer">{label}</a>'
    return label
