"""What a profile needs of the model repository beside its configurations."""

import hashlib
import re
import tempfile
from pathlib import Path

from serving.errors import ServingError
from serving.settings import MODEL_FILE, Settings, profile

_NAMED_FILE = re.compile(r'"(model\.(?:onnx|xml|pt2?|plan))"')
_PLAIN = re.compile(r"[A-Za-z0-9/._]*")


def network_file(repository: Path, model: str, config_name: str) -> Path:
    """The file of weights that the configuration of a network names, or ``MODEL_FILE`` where it names none."""
    folder = repository / model
    configs = (folder / "configs" / f"{config_name}.pbtxt", folder / "config.pbtxt")
    text = next((config.read_text(encoding="utf-8") for config in configs if config.is_file()), "")
    named = _NAMED_FILE.search(text)
    return folder / MODEL_FILE.parent / (named[1] if named else MODEL_FILE.name)


def plainly_named(settings: Settings) -> Path:
    """The model repository, under a name that all backends take.

    The DALI backend hands the path of a pipeline to a shell and so refuses any but letters, digits, ``/``, ``.`` and
    ``_``. A repository elsewhere is served through a link, always the same one, in the folder for temporary files.
    """
    repository = settings.repository.resolve()
    if "dali" not in profile(settings.profile).backends or _PLAIN.fullmatch(str(repository)):
        return settings.repository
    link = Path(tempfile.gettempdir(), f"safelight_{hashlib.sha256(bytes(repository)).hexdigest()[:16]}")
    try:
        if not link.is_symlink():
            link.symlink_to(repository)
    except OSError as error:
        raise ServingError(f"The link {link} to {repository} cannot be made: {error.strerror}.") from error
    if link.resolve() != repository or not _PLAIN.fullmatch(str(link)):
        raise ServingError(
            f"DALI's backend refuses characters in {link}: set TMPDIR to a path of letters, digits, '.' and '_'."
        )
    return link
