"""What a profile needs of the model repository beside its configurations."""

import re
from pathlib import Path

from film.published import choose
from film.specs import ModelSpec
from serving.settings import MODEL_FILE

_FILE = r"model\w*\.(?:onnx|xml|pt2?|plan)"
_NAMED_FILES = re.compile(rf'"({_FILE}(?:, *{_FILE})*)"')
_HOW = re.compile(r'key: "(runtime|precision)" value { string_value: "(\w+)" }')


def network_file(repository: Path, spec: ModelSpec, config_name: str) -> Path:
    """The file of a network's weights that the configurations of its classifier name, ``MODEL_FILE`` where none does.

    Of several it is the one that this machine serves, machine code aside: whether that fits only its device can tell,
    and what it was made beside is served otherwise.
    """
    texts = [_configuration(repository / model, config_name) for model in (spec.name, spec.network_model)]
    text = next((text for text in texts if _NAMED_FILES.search(text)), "")
    named = _NAMED_FILES.search(text)
    how = dict(_HOW.findall(text))
    folder = repository / spec.network_model / MODEL_FILE.parent
    return choose(folder, named[1] if named else MODEL_FILE.name, **how)


def _configuration(folder: Path, config_name: str) -> str:
    files = (folder / "configs" / f"{config_name}.pbtxt", folder / "config.pbtxt")
    return next((file.read_text(encoding="utf-8") for file in files if file.is_file()), "")
