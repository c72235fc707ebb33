"""What a profile needs of the model repository beside its configurations."""

import re
from pathlib import Path

from film.published import choose
from serving.settings import MODEL_FILE

_FILE = r"model\w*\.(?:onnx|xml|pt2?|plan)"
_NAMED_FILES = re.compile(rf'"({_FILE}(?:, *{_FILE})*)"')
_HOW = re.compile(r'key: "(runtime|precision)" value { string_value: "(\w+)" }')


def network_file(repository: Path, model: str, config_name: str) -> Path:
    """The file of weights that a network's configuration names, or ``MODEL_FILE`` where it names none.

    Of several it is the one that this machine serves.
    """
    folder = repository / model
    configs = (folder / "configs" / f"{config_name}.pbtxt", folder / "config.pbtxt")
    text = next((config.read_text(encoding="utf-8") for config in configs if config.is_file()), "")
    named = _NAMED_FILES.search(text)
    how = dict(_HOW.findall(text))
    return choose(folder / MODEL_FILE.parent, named[1] if named else MODEL_FILE.name, **how)
