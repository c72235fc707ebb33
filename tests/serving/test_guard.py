from film.specs import PUBLIC_MODELS
from serving.guard import steps
from serving.settings import DEFAULT_REPOSITORY


def test_every_model_of_the_repository_is_a_step_of_one_that_can_be_loaded_again() -> None:
    folders = {folder.name for folder in DEFAULT_REPOSITORY.iterdir() if folder.is_dir()}
    assert folders <= {step for public in PUBLIC_MODELS for step in steps(public)}
