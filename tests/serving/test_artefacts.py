"""What a profile needs of the model repository."""

from pathlib import Path

import pytest

from film import specs
from serving.artefacts import network_file, plainly_named
from serving.settings import DEFAULT_REPOSITORY, Settings


@pytest.mark.parametrize(
    ("config_name", "model", "file"),
    [
        ("", specs.FILM_ORIGIN, "model.onnx"),
        ("cuda", specs.FILM_ORIGIN, "model.pt"),
        ("native", specs.NEGATIVE_CONDITION, "model.plan"),
        ("native-cpu", specs.FILM_ORIGIN, "model.pt"),
        ("native-cpu", specs.NEGATIVE_CONDITION, "model.onnx"),
        ("a profile that changes nothing", specs.FILM_ORIGIN, "model.onnx"),
    ],
)
def test_the_file_that_a_profile_serves_is_the_one_its_config_names(
    config_name: str, model: specs.ModelSpec, file: str
) -> None:
    folder = DEFAULT_REPOSITORY / model.network_model
    assert network_file(DEFAULT_REPOSITORY, model.network_model, config_name) == folder / "1" / file


def test_a_path_that_dali_s_backend_refuses_gets_a_plain_name(tmp_path: Path) -> None:
    repository = tmp_path / "film-server (new)" / "model_repository"
    repository.mkdir(parents=True)
    named = plainly_named(Settings(profile="native-cpu", repository=repository))
    assert named.resolve() == repository.resolve()
    assert set(str(named)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._")
    assert plainly_named(Settings(profile="native-cpu", repository=repository)) == named, "again the same"
    assert plainly_named(Settings(profile="cpu", repository=repository)) == repository, (
        "without DALI it may be anything"
    )
    named.unlink()
