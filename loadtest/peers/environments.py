"""A virtual environment for each peer, kept between runs; installed anew only where its requirements changed."""

import subprocess
import sys
from pathlib import Path

from loadtest.peers.registry import Peer, PeersError

FOLDER = Path(__file__).parents[2] / ".cache" / "peers"
_STAMP, _VERSIONS = "installed.txt", "versions.txt"
INSTALL_SECONDS = 3600
"""That one step may take."""


def python(peer: Peer, folder: Path = FOLDER) -> Path:
    """The interpreter that ``peer`` runs in, its packages installed.

    Raises PeersError with the end of what pip said where they cannot be.
    """
    if not peer.requirements:
        return Path(sys.executable)
    home = folder / peer.name
    inside = home / "bin" / "python"
    stamp, wanted = home / _STAMP, "\n".join(peer.requirements) + "\n"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return inside
    _run([sys.executable, "-m", "venv", str(home)], peer)
    _run([str(inside), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.requirements], peer)
    frozen = _run([str(inside), "-m", "pip", "freeze", "--disable-pip-version-check"], peer)
    (home / _VERSIONS).write_text(frozen, encoding="utf-8")
    stamp.write_text(wanted, encoding="utf-8")
    return inside


def versions(peer: Peer, folder: Path = FOLDER) -> list[str]:
    """``package==version`` of everything in the peer's environment; empty where there is none."""
    file = folder / peer.name / _VERSIONS
    return file.read_text(encoding="utf-8").splitlines() if peer.requirements and file.is_file() else []


def _run(command: list[str], peer: Peer) -> str:
    """What the command wrote to its output."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise PeersError(f"{peer.title} cannot be installed: pip took more than {INSTALL_SECONDS} s") from error
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise PeersError(f"{peer.title} cannot be installed: {said}")
    return done.stdout
