"""The Dockerfile's steps without Docker: ``python -m tests.image``, as root, with a network for pip.

Each stage is a copy-on-write view of this machine's files with this Python in /usr/local, which stands for the base
image. At the end the image's command runs as the image's user on a read-only root, its health check is run, and an
event that it took is still there after kill -9. What this can't show is the base image itself.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from tests.calls.tally import FIXTURES
from tests.security.raw import ask, get, request
from tests.support.waiting import until

SOURCE: Final = Path(__file__).parent.parent
URL: Final = "http://127.0.0.1:10060"
SECRET: Final = "a secret of this test"
ENVIRONMENT: Final = {
    "PATH": "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    # This machine's Python may look for its library at a place that the image's user can't read.
    "LD_LIBRARY_PATH": "/usr/local/lib",
    "VOICE_EXPORTER_WEBHOOK_SECRET": SECRET,
}


class Step(NamedTuple):
    """An instruction and the rest of its line."""

    name: str
    rest: str


def steps() -> list[Step]:
    """The Dockerfile's instructions."""
    text = re.sub(r"\\\n\s*", "", (SOURCE / "Dockerfile").read_text())
    return [Step(*line.split(None, 1)) for line in text.splitlines() if line and not line.startswith("#")]


def shell(command: str) -> None:
    """Run a command of our own."""
    subprocess.run(["/bin/sh", "-ec", command], check=True)


class Stage:
    """One stage of the build.

    Args:
        folder: where it may write.

    Attributes:
        root: its files.
        settings: what the instructions say that change no files.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.settings = {"WORKDIR": "/"}
        self._environment = dict(ENVIRONMENT)
        shell(f"""
            mkdir -p {folder}/upper {folder}/work {self.root}
            mount -t overlay overlay -o lowerdir=/,upperdir={folder}/upper,workdir={folder}/work {self.root}
            mount --rbind /proc {self.root}/proc
            mount --rbind /dev {self.root}/dev
            cat /etc/resolv.conf > {folder}/resolv.conf
            cp --remove-destination {folder}/resolv.conf {self.root}/etc/resolv.conf
            cp -a {sys.base_prefix}/. {self.root}/usr/local/
        """)

    def take(self, step: Step, stages: dict[str, "Stage"], arguments: dict[str, str]) -> None:
        """Do what an instruction says."""
        match step.name:
            case "COPY":
                self._copy(step.rest.split(), stages)
            case "RUN":
                if code := self.start(["/bin/sh", "-ec", step.rest]).wait():
                    raise SystemExit(f"RUN ended with {code}: {step.rest}")
            case "ARG":
                name, _, value = step.rest.partition("=")
                self._environment[name] = value or arguments[name]
            case "ENV":
                for name, value in (word.split("=", 1) for word in shlex.split(step.rest)):
                    self._environment[name] = value.replace("$PATH", self._environment["PATH"])
            case _:
                self.settings[step.name] = step.rest
                shell(f"mkdir -p {self.root}{self.settings['WORKDIR']}")

    def _copy(self, words: list[str], stages: dict[str, "Stage"]) -> None:
        *names, target = words
        base = stages[names.pop(0).partition("=")[2]].root if names[0].startswith("--from=") else SOURCE
        known = (SOURCE / ".dockerignore").read_text().split()
        for name in names:
            if base == SOURCE and f"!{name}" not in known:
                raise SystemExit(f"{name} is not in the build's context")
            place = target.removesuffix("./") + (name if target.endswith("/") else "")
            into = place if place.startswith("/") else f"{self.settings['WORKDIR']}/{place}"
            shell(f"cp -aT {base}/{name} {self.root}{into}")

    def start(self, command: list[str], *privileges: str, quiet: bool = False) -> subprocess.Popen[bytes]:
        """Start a command in the stage."""
        chroot = str(shutil.which("chroot"))
        words = [chroot, str(self.root), "env", "-C", self.settings["WORKDIR"], *privileges, *command]
        return subprocess.Popen(words, env=self._environment, stderr=subprocess.DEVNULL if quiet else None)

    def start_as_user(self, command: str, *, quiet: bool = False) -> subprocess.Popen[bytes]:
        """Start a command in JSON as the image's user, who has no privilege."""
        user, group = self.settings["USER"].split(":")
        without = ("--clear-groups", "--no-new-privs", "--bounding-set=-all")
        return self.start(json.loads(command), "setpriv", f"--reuid={user}", f"--regid={group}", *without, quiet=quiet)


def build(folder: Path) -> Stage:
    """Take every step: the last stage."""
    stages: dict[str, Stage] = {}
    arguments: dict[str, str] = {}
    for number, step in enumerate(steps()):
        print(step.name, step.rest, flush=True)  # noqa: T201 - what is being done
        if step.name == "FROM":
            name = step.rest.partition(" AS ")[2] or str(number)
            stages[name] = stage = Stage(folder / name)
        elif step.name == "ARG" and not stages:
            name, _, arguments[name] = step.rest.partition("=")
        else:
            stage.take(step, stages, arguments)
    return stage


def prove(image: Stage) -> None:
    """Run the image with nothing but its volume to write to, twice."""
    data = image.settings["VOLUME"]
    owner = (image.root / data[1:]).stat()
    shell(f"mount -t tmpfs -o uid={owner.st_uid},gid={owner.st_gid},mode=0700 none {image.root}{data}")
    shell(f"mount -o remount,ro {image.root}")
    serve = json.dumps(json.loads(image.settings["ENTRYPOINT"]) + json.loads(image.settings["CMD"]))
    for _ in range(2):
        process = image.start_as_user(serve)
        probe = image.settings["HEALTHCHECK"].partition(" CMD ")[2]
        until("a good health check", lambda probe=probe: image.start_as_user(probe, quiet=True).wait() == 0, 120)  # type: ignore[misc]  # its type can't be told
        hang = (FIXTURES / "vapi" / "hang.json").read_bytes()
        status, _body = ask(URL, request(b"/webhook/vapi", b"X-Vapi-Secret: " + SECRET.encode(), body=hang))
        counted = re.findall(r"^voice_hangs_total{.*} (\d+)$", get(URL), re.MULTILINE)
        wrote = image.start_as_user('["sh", "-c", "touch /x /opt/x /tmp/x 2>/dev/null"]').wait() == 0
        process.kill()
        process.wait()
        assert (status, counted, wrote) == (200, ["1"], False)


if __name__ == "__main__":
    if "IMAGE_FOLDER" not in os.environ:
        with tempfile.TemporaryDirectory() as made:
            again = ["unshare", "--mount", sys.executable, "-m", "tests.image"]
            sys.exit(subprocess.run(again, env={**os.environ, "IMAGE_FOLDER": made}, check=False).returncode)
    where = Path(os.environ["IMAGE_FOLDER"])
    shell(f"mount -t tmpfs none {where}")
    prove(build(where))
    print("the image works")  # noqa: T201 - the result
