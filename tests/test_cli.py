"""The command line: exit codes, and errors in one line."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from exporter import DOCS, __version__
from exporter.cli import COMMANDS, main
from exporter.commands import serve
from exporter.config.secret import SECRET_VARIABLE
from exporter.simulate import SCENARIOS


def outcome(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    """Exit code, standard output and standard error of a command."""
    try:
        code: object = main(arguments)
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


# --- the command itself ---


@pytest.mark.parametrize("arguments", [["--version"], ["serve", "--version"]])
def test_it_tells_its_version(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """On standard output, with exit 0, wherever it is asked for."""
    assert outcome(capsys, *arguments) == (0, f"voice-exporter {__version__}\n", "")


def test_the_version_costs_nothing() -> None:
    """What a command needs is imported by that command alone."""
    script = "import atexit, sys; atexit.register(lambda: print(sorted(sys.modules))); import exporter.__main__"
    done = subprocess.run([sys.executable, "-c", script, "--version"], capture_output=True, text=True, check=True)

    assert f"voice-exporter {__version__}" in done.stdout
    assert "exporter.cli" in done.stdout
    for heavy in ("aiohttp", "asyncio", "yaml", "msgspec", "prometheus_client"):
        assert f"'{heavy}'" not in done.stdout


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """With what it does."""
    code, out, _ = outcome(capsys, "--help")

    assert code == 0
    for name, text in COMMANDS.items():
        assert f"  {name} " in out
        assert text in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """Each command explains its flags."""
    code, out, err = outcome(capsys, command, "--help")

    assert (code, err) == (0, "")
    assert out.startswith(f"usage: voice-exporter {command} ")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "serve, check-config, check-health, replay, simulate, migrate, assets"),
        (["dance"], "'dance'"),
        (["--dance"], "--dance"),
        (["serve", "--dance"], "--dance"),
        (["serve", "now"], "now"),
        (["serve", "--web.listen-address"], "--web.listen-address"),
        (["serve", "--web.listen=:1"], "--web.listen=:1"),
        (["serve", "--web.telemetry-path", "metrics"], "--web.telemetry-path"),
        (["serve", "--log.level", "loud"], "--log.level"),
        (["serve", "--log.format", "xml"], "--log.format"),
        (["check-config"], "FILE"),
        (["simulate", "--duration", "soon"], "--duration"),
        (["simulate", "--scenario", "peace"], "--scenario"),
        (["simulate", "--seed", "x"], "--seed"),
        (["simulate", "--calls-per-minute", "many"], "--calls-per-minute"),
        (["assets"], "DIR"),
        (["assets", "x", "--format", "xml"], "--format"),
        (["replay"], "FILE"),
    ],
)
def test_bad_usage_is_one_line_that_names_the_flag(
    capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    """Exit 2, nothing on standard output, and where to read on. A flag is not guessed from its beginning."""
    code, out, err = outcome(capsys, *arguments)

    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("voice-exporter")
    assert named in err
    assert "--help" in err


def test_a_module_and_a_command() -> None:
    """``python -m exporter`` is the installed ``voice-exporter``."""
    installed = Path(sys.executable).with_name("voice-exporter")
    for command in ([sys.executable, "-m", "exporter"], [str(installed)]):
        done = subprocess.run([*command, "check-config"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("voice-exporter check-config: ")


# --- serve ---


@pytest.mark.parametrize("path", ["/metrics", "/probe/voice", "/m.2_x~-"])
def test_the_metrics_can_have_another_path(path: str) -> None:
    """Any plain path of its own."""
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)

    assert parser.parse_args([f"--web.telemetry-path={path}"]).telemetry_path == path


@pytest.mark.parametrize(
    "path", ["", "/", "metrics", "/a/", "//a", "/-/ready", "/webhook/vapi", "/a?b", "/a b", "/%61"]
)
def test_the_metrics_take_no_path_that_is_taken(capsys: pytest.CaptureFixture[str], path: str) -> None:
    """Nor one that is written in more than one way: it would never be reached."""
    code, _, err = outcome(capsys, "serve", f"--web.telemetry-path={path}")

    assert code == 2
    assert "write one like /metrics" in err


@pytest.mark.parametrize("given", ["flag", "environment"])
def test_a_directory_and_a_database_exclude_each_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """Whoever gives both is told so; the URL, which may hold a password, is not repeated."""
    url = "postgresql://voice:hidden@db/voice"
    if given == "environment":
        monkeypatch.setenv("VOICE_EXPORTER_STORAGE_URL", url)
    flags = [f"--storage.url={url}"] if given == "flag" else []
    code, out, err = outcome(capsys, "serve", "--storage.path=data", *flags)

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--storage.path" in err
    assert "--storage.url" in err
    assert "hidden" not in err


@pytest.mark.parametrize("given", ["flag", "environment"])
def test_a_database_of_another_kind_is_bad_usage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """The line says what is expected, and shows nothing of what was given."""
    url = "mysql://voice:hidden@db/voice"
    if given == "environment":
        monkeypatch.setenv("VOICE_EXPORTER_STORAGE_URL", url)
    code, out, err = outcome(capsys, "serve", *([f"--storage.url={url}"] if given == "flag" else []))

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "postgresql://" in err
    assert "hidden" not in err


def test_a_database_without_its_driver_is_bad_usage(tmp_path: Path) -> None:
    """One line says how to install it; without a database it is not missed."""
    (tmp_path / "asyncpg.py").write_text("raise ModuleNotFoundError(name='asyncpg')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    flags = ["--storage.url=postgresql://db/voice", "--web.listen-address=127.0.0.1:0"]
    command = [sys.executable, "-m", "exporter", "serve", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("the driver is missing: pip install 'voice-exporter[postgres]'")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("flag", ["--web.listen-address", "--webhook.listen-address"])
def test_a_malformed_address_is_bad_usage(tmp_path: Path, flag: str) -> None:
    """Exit 2 with what an address looks like."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "exporter",
            "serve",
            f"--storage.path={tmp_path}",
            "--web.listen-address=[::1]:0",
            flag,
            "x",
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr == "voice-exporter: 'x' is not host:port; write :10060, 127.0.0.1:10060 or [::1]:10060\n"


# --- check-config ---


def test_a_good_configuration_is_ok(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Exit 0 and the file's name."""
    file = tmp_path / "voice.yml"
    file.write_text("calls:\n  max_retries: 5\n")

    assert outcome(capsys, "check-config", str(file)) == (0, f"{file}: ok\n", "")


def test_each_fault_of_a_configuration_is_a_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Exit 2; each line has the file, the line and the key."""
    file = tmp_path / "voice.yml"
    file.write_text("labels:\n  ttl: soon\nwebhooks:\n  vapi:\n    secretz: [x]\n")
    code, out, err = outcome(capsys, "check-config", str(file))

    assert (code, out) == (2, "")
    first, second = err.splitlines()
    assert first.startswith(f"{file}:2: labels.ttl: ")
    assert second.startswith(f"{file}:5: webhooks.vapi.secretz: ")


def test_a_configuration_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Exit 2 and the path."""
    code, _, err = outcome(capsys, "check-config", str(tmp_path / "nothing.yml"))

    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith(f"{tmp_path}/nothing.yml: ")


# --- simulate, assets ---


def test_an_address_that_is_no_url_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 and the value."""
    code, _, err = outcome(capsys, "simulate", "--url", "exporter:10060", "--duration", "1s")

    assert code == 2
    assert err == "voice-exporter: 'exporter:10060' is no http:// or https:// URL of an exporter\n"


@pytest.mark.parametrize("flag", ["--config.file", "--storage.path", "--web.config.file"])
def test_a_flag_that_takes_one_value_is_given_once(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    """Of two values one would be dropped in silence."""
    code, _, err = outcome(capsys, "serve", flag, "a", f"{flag}=b")
    assert code == 2
    assert err == (
        f"voice-exporter serve: argument {flag}: is given twice: keep one; see voice-exporter serve --help\n"
    )


def test_the_help_of_serve_leads_on(capsys: pytest.CaptureFixture[str]) -> None:
    """It names the environment variables, and where the documentation is."""
    code, out, _ = outcome(capsys, "serve", "--help")
    assert code == 0
    assert SECRET_VARIABLE in out
    assert DOCS in out


def test_the_help_says_what_each_scenario_raises(capsys: pytest.CaptureFixture[str]) -> None:
    """Below each scenario stand its alerts and the minutes until they fire."""
    code, out, _ = outcome(capsys, "simulate", "--help")

    assert code == 0
    assert re.search(
        r"^  auth-failure +anthropic.+\n +VoiceCriticalError 4m, VoiceErrorEscalated 4m$", out, re.MULTILINE
    )
    assert all(f" {alert} {minutes}m" in out for each in SCENARIOS.values() for alert, minutes in each.alerts.items())


def test_an_interrupt_is_a_failure_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ctrl-C ends a command with exit 1 and no words."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("exporter.assets.render", interrupted)

    assert outcome(capsys, "assets", str(tmp_path)) == (1, "", "")


def test_assets_that_cannot_be_written_are_a_failure(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Exit 1 and the path."""
    (tmp_path / "file").touch()
    code, _, err = outcome(capsys, "assets", str(tmp_path / "file" / "rules"))

    assert code == 1
    assert err.startswith(f"voice-exporter: {tmp_path}/file")
