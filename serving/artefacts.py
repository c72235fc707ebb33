"""What a profile needs of the model repository beside its configurations."""

import re
from pathlib import Path

from serving.settings import MODEL_FILE

_NAMED_FILE = re.compile(r'"(model\.(?:onnx|xml|pt2?|plan))"')


def network_file(repository: Path, model: str, config_name: str) -> Path:
    """The file of weights that the configuration of a network names, or ``MODEL_FILE`` where it names none."""
    folder = repository / model
    configs = (folder / "configs" / f"{config_name}.pbtxt", folder / "config.pbtxt")
    text = next((config.read_text(encoding="utf-8") for config in configs if config.is_file()), "")
    named = _NAMED_FILE.search(text)
    return folder / MODEL_FILE.parent / (named[1] if named else MODEL_FILE.name)
