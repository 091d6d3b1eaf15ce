"""Certificates for tests, made with OpenSSL's command line."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Identity:
    """A certificate and its key."""

    cert: Path
    key: Path

    def replace(self, other: "Identity") -> None:
        """Write another certificate and key in the place of these."""
        shutil.copy(other.cert, self.cert)
        shutil.copy(other.key, self.key)


class Authority:
    """Issues certificates with OpenSSL's command line."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.identity = self._issue(name, "basicConstraints=critical,CA:TRUE", "keyUsage=keyCertSign")

    def issue(self, name: str, san: str) -> Identity:
        """A certificate signed by this authority."""
        ca = ["-CA", str(self.identity.cert), "-CAkey", str(self.identity.key)]
        return self._issue(name, f"subjectAltName={san}", "keyUsage=digitalSignature", *ca)

    def _issue(self, name: str, extension: str, usage: str, *more: str) -> Identity:
        new = Identity(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
        files = ["-out", str(new.cert), "-keyout", str(new.key), "-subj", f"/CN={name}", "-days", "2"]
        extensions = ["-addext", extension, "-addext", usage]
        subprocess.run(["openssl", "req", "-x509", *curve, *files, *extensions, *more], check=True, capture_output=True)
        return new
