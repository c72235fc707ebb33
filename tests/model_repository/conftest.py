"""The configurations as each profile's server reads them."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from film import specs
from serving.settings import PROFILES

REPOSITORY = Path(__file__).parents[2] / "model_repository"


def read(file: Path) -> ModelConfig:
    return text_format.Parse(file.read_text(encoding="utf-8"), ModelConfig())


def of_profile(config_name: str) -> dict[str, ModelConfig]:
    """By model, what Triton reads with that --model-config-name."""
    found = {}
    for folder in REPOSITORY.iterdir():
        for file in (folder / "configs" / f"{config_name}.pbtxt", folder / "config.pbtxt"):
            if file.is_file():
                found[folder.name] = read(file)
                break
    return found


def loaded(configs: dict[str, ModelConfig]) -> dict[str, ModelConfig]:
    """The public models and what their ensembles bring along."""
    waiting, found = list(specs.PUBLIC_MODELS), {}
    while waiting:
        name = waiting.pop()
        found[name] = configs[name]
        waiting += [step.model_name for step in configs[name].ensemble_scheduling.step]
    return found


LOADED = {profile.name: loaded(of_profile(profile.config_name)) for profile in PROFILES}


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``config``: every model of every profile; ``models``: all that a profile loads."""
    if "config" in metafunc.fixturenames:
        pairs = [(profile, model) for profile, models in LOADED.items() for model in sorted(models)]
        values = [(profile, LOADED[profile][model]) for profile, model in pairs]
        metafunc.parametrize(("profile", "config"), values, ids=[f"{profile} {model}" for profile, model in pairs])
    elif "models" in metafunc.fixturenames:
        metafunc.parametrize(("profile", "models"), LOADED.items(), ids=list(LOADED))
