"""A key and certificate for one test, which is its own authority."""

import subprocess
from pathlib import Path


def self_signed(folder: Path, name: str) -> Path:
    """Make them for a host name, valid for two days; returns the file that holds both."""
    file = folder / "host.pem"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        f"-subj /CN={name} -addext subjectAltName=DNS:{name} -keyout {file} -out {folder}/crt".split(),
        check=True,
        capture_output=True,
    )
    file.write_text(file.read_text() + (folder / "crt").read_text())
    return file
