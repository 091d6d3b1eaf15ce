"""`assets` run again: what the operator edited is kept."""

import json
from pathlib import Path

import pytest

from exporter.assets import render
from exporter.assets.directory import MANIFEST, AssetDirectory
from exporter.cli import main

ROUTING = "rules/alertmanager.yml"
OWN = "receivers: [{name: ours}]\n"


def version(folder: Path, text: str) -> list[str]:
    """Write the directory as a version would that brings this text; gives what it says."""
    said: list[str] = []
    AssetDirectory(folder, said.append, force=False).write({ROUTING: text}, own_thresholds=False)
    return said


def again(folder: Path, *flags: str) -> int:
    """Run the command."""
    return main(["assets", str(folder), *flags])


def test_what_was_edited_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command says so and how much differs; as the package has nothing new, nothing is put beside it."""
    render(tmp_path)
    (tmp_path / ROUTING).write_text(OWN)
    assert again(tmp_path) == 0
    out, err = capsys.readouterr()
    assert (tmp_path / ROUTING).read_text() == OWN
    assert str(tmp_path / ROUTING) not in out
    assert err.startswith(f"{ROUTING} was edited and is kept; ")
    assert err.endswith(" lines differ from this version's; --force overwrites it\n")
    assert [*tmp_path.rglob("*.new")] == []


def test_a_later_version_is_put_beside_what_was_edited(tmp_path: Path) -> None:
    """Once; and it goes as soon as the operator has taken it."""
    routing, new = tmp_path / ROUTING, tmp_path / f"{ROUTING}.new"
    version(tmp_path, "one\ntwo\n")
    routing.write_text("one\nours\n")

    (said,) = version(tmp_path, "one\ntwo\nthree\n")
    assert said == (
        f"{ROUTING} was edited and is kept; 3 lines differ from this version's, which is in alertmanager.yml.new;"
        " --force overwrites it"
    )
    assert (routing.read_text(), new.read_text()) == ("one\nours\n", "one\ntwo\nthree\n")
    new.unlink()
    assert len(version(tmp_path, "one\ntwo\nthree\n")) == 1
    assert not new.exists()

    version(tmp_path, "four\n")
    new.replace(routing)
    new.write_text("left over")
    assert version(tmp_path, "four\n") == []
    assert not new.exists()


def test_what_was_not_edited_is_brought_up_to_date(tmp_path: Path) -> None:
    """An upgrade of untouched files needs nothing of the operator."""
    version(tmp_path, "one\n")
    assert version(tmp_path, "two\n") == []
    assert (tmp_path / ROUTING).read_text() == "two\n"


def test_force_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And takes away what stood beside."""
    render(tmp_path)
    (tmp_path / ROUTING).write_text(OWN)
    (tmp_path / f"{ROUTING}.new").write_text("from before")
    assert again(tmp_path, "--force") == 0
    assert capsys.readouterr().err == ""
    render(tmp_path / "fresh")
    assert (tmp_path / ROUTING).read_bytes() == (tmp_path / "fresh" / ROUTING).read_bytes()
    assert not (tmp_path / f"{ROUTING}.new").exists()


def test_thresholds_edited_in_place_are_the_operators(tmp_path: Path) -> None:
    """The files say to change the numbers there and to write them again: rules and boards follow, the numbers stay."""
    render(tmp_path)
    thresholds = tmp_path / "rules" / "thresholds.yml"
    edited = thresholds.read_text().replace("critical: 0.05", "critical: 0.07", 1)
    thresholds.write_text(edited)
    for _ in range(2):
        render(tmp_path, say=pytest.fail)
        assert thresholds.read_text() == edited
        assert "increase1h > 0), 0, 1) > 0.07\n" in (tmp_path / "rules" / "hangs.rules.yml").read_text()


def test_thresholds_of_an_earlier_run_stay(tmp_path: Path) -> None:
    """Who once gave numbers need not give them again; new ones take their place."""
    own = tmp_path / "own.yml"
    own.write_text("hang_rate: {critical: 0.07}\n")
    render(tmp_path, own)
    render(tmp_path, say=pytest.fail)
    assert "increase1h > 0), 0, 1) > 0.07\n" in (tmp_path / "rules" / "hangs.rules.yml").read_text()
    own.write_text("hang_rate: {critical: 0.08}\n")
    render(tmp_path, own, say=pytest.fail)
    assert "increase1h > 0), 0, 1) > 0.08\n" in (tmp_path / "rules" / "hangs.rules.yml").read_text()
    assert (tmp_path / "rules" / "thresholds.yml").read_text() == own.read_text()


def test_a_file_that_is_no_longer_written_goes_unless_it_was_edited(tmp_path: Path) -> None:
    """Objectives that are switched off leave no rules behind; those that the operator changed are the operator's."""
    off = tmp_path / "off.yml"
    off.write_text("slo: {enabled: false}\n")
    said: list[str] = []
    for edited in (False, True):
        folder = tmp_path / str(edited)
        render(folder)
        slo = folder / "rules" / "slo.rules.yml"
        if edited:
            slo.write_text("groups: []\n")
        render(folder, off, say=said.append)
        assert slo.exists() is edited
    assert said == ["rules/slo.rules.yml was edited and is kept; this version has no such file; --force removes it"]


@pytest.mark.parametrize("manifest", [None, b"", b"[]", b'{"files": []}', b"\xff"])
def test_without_a_record_whatever_differs_counts_as_edited(tmp_path: Path, manifest: bytes | None) -> None:
    """Where nobody can tell, nothing is destroyed."""
    render(tmp_path)
    (tmp_path / ROUTING).write_text(OWN)
    if manifest is None:
        (tmp_path / MANIFEST).unlink()
    else:
        (tmp_path / MANIFEST).write_bytes(manifest)
    said: list[str] = []
    render(tmp_path, say=said.append)
    assert [line.partition(" ")[0] for line in said] == [ROUTING]
    assert (tmp_path / ROUTING).read_text() == OWN
    assert json.loads((tmp_path / MANIFEST).read_bytes())["thresholds"] == "shipped"


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    """A file that lies elsewhere is written there."""
    elsewhere = tmp_path / "elsewhere.yml"
    render(tmp_path / "assets")
    routing = tmp_path / "assets" / ROUTING
    routing.rename(elsewhere)
    routing.symlink_to(elsewhere)
    elsewhere.write_text(OWN)
    render(tmp_path / "assets", force=True)
    assert routing.is_symlink()
    assert elsewhere.read_text() != OWN
