"""What a profile needs of the model repository."""

import pytest

from film import specs
from film.published import INT8_FILE, has_int8
from serving.artefacts import network_file
from serving.settings import DEFAULT_REPOSITORY


@pytest.mark.parametrize(
    ("config_name", "model", "file"),
    [
        ("", specs.FILM_ORIGIN, "model.onnx"),
        ("cuda", specs.FILM_ORIGIN, "model.pt"),
        ("native", specs.NEGATIVE_CONDITION, "model.plan"),
        ("native-cpu", specs.FILM_ORIGIN, "model.pt"),
        ("native-cpu", specs.NEGATIVE_CONDITION, "model.onnx"),
        ("a profile that changes nothing", specs.FILM_ORIGIN, "model.onnx"),
        ("", specs.NEGATIVE_CONDITION, INT8_FILE if has_int8() else "model.onnx"),
    ],
)
def test_the_file_that_a_profile_serves_is_the_one_its_config_names(
    config_name: str, model: specs.ModelSpec, file: str
) -> None:
    folder = DEFAULT_REPOSITORY / model.network_model
    assert network_file(DEFAULT_REPOSITORY, model, config_name) == folder / "1" / file
