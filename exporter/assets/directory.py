"""A directory of assets: each version writes its files, and keeps those that the operator edited."""

import json
from collections.abc import Callable, Mapping
from difflib import unified_diff
from hashlib import sha256
from pathlib import Path
from typing import Final

MANIFEST: Final = ".voice-exporter-assets.json"
"""What was written last, so that an edit can be told from a former version."""

THRESHOLDS: Final = "rules/thresholds.yml"
NEW: Final = ".new"
"""Suffix of this version's file beside one that was edited."""


class AssetDirectory:
    """Files by their name below a directory.

    Args:
        path: the directory.
        say: takes a line for each file that is not as this version writes it.
        force: overwrite what was edited.
    """

    def __init__(self, path: Path, say: Callable[[str], object], *, force: bool) -> None:
        self._path = path
        self._say = say
        self._force = force
        self._known, self._own_thresholds = _read(path / MANIFEST)

    def own_thresholds(self, shipped: bytes) -> Path | None:
        """The operator's numbers from an earlier run or edited since; None where they are those of a package."""
        path = self._path / THRESHOLDS
        if self._force or not path.exists():
            return None
        content = path.read_bytes()
        edited = content != shipped and _digest(content) != self._known.get(THRESHOLDS)
        return path if self._own_thresholds or edited else None

    def write(self, contents: Mapping[str, str], *, own_thresholds: bool) -> list[Path]:
        """Write files by name, and remove former ones beside them that are no longer among them.

        Args:
            contents: text by name.
            own_thresholds: whether the thresholds are the operator's.

        Returns:
            Those that are as this version writes them.

        Raises:
            OSError: the directory can't be written.
        """
        folders = {name.partition("/")[0] for name in contents}
        for name in [name for name in self._known if name not in contents and name.partition("/")[0] in folders]:
            self._remove(name)
        done = [path for name, text in contents.items() if (path := self._put(name, text.encode()))]
        own = own_thresholds if THRESHOLDS in contents else self._own_thresholds
        manifest = {"thresholds": "own" if own else "shipped", "files": self._known}
        _replace(self._path / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n")
        return done

    def _put(self, name: str, content: bytes) -> Path | None:
        path = self._path / name
        new = path.with_name(path.name + NEW)
        before = path.read_bytes() if path.exists() else None
        offered, self._known[name] = self._known.get(name), _digest(content)
        if before not in {None, content} and not self._force and _digest(before or b"") != offered:
            self._keep(name, before or b"", content, new if offered != self._known[name] else None)
            return None
        new.unlink(missing_ok=True)
        if before != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, content)
        return path

    def _keep(self, name: str, before: bytes, content: bytes, new: Path | None) -> None:
        changes = [*unified_diff(_lines(before), _lines(content), n=0)][2:]
        differ = sum(line.startswith(("-", "+")) for line in changes)
        said = f"{name} was edited and is kept; {differ} lines differ from this version's"
        if new:
            _replace(new, content)
            said += f", which is in {new.name}"
        self._say(f"{said}; --force overwrites it")

    def _remove(self, name: str) -> None:
        path = self._path / name
        if path.exists():
            if not self._force and _digest(path.read_bytes()) != self._known[name]:
                self._say(f"{name} was edited and is kept; this version has no such file; --force removes it")
                return
            path.unlink()
        del self._known[name]


def _read(manifest: Path) -> tuple[dict[str, str], bool]:
    try:
        read = json.loads(manifest.read_bytes())
        return {str(name): str(digest) for name, digest in read["files"].items()}, read["thresholds"] == "own"
    except (FileNotFoundError, ValueError, TypeError, LookupError, AttributeError):
        # Without a manifest every file that differs counts as edited.
        return {}, False


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", "replace").splitlines()


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that nobody reads half of it; behind a symbolic link that it leads to."""
    target = path.resolve()
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(content)
    part.replace(target)
