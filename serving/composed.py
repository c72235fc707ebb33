"""A model repository with an overlay's settings in it: links to the real one, and the configurations that differ.

It lies in the machine's shared memory under the name of its server, so that `serving.leftovers` removes it with the
rest of what a server leaves, and so that its path is a plain one. It lasts as long as the server, because the guard
loads a model again from it.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from film.specs import PUBLIC_MODELS
from serving.errors import ServingError
from serving.overlay import Overlay, Value

Configs = dict[str, Any]
"""By model, the configuration as Triton reads it: tritonclient's ModelConfig."""


def compose(repository: Path, config_name: str, overlay: Overlay, place: Path) -> None:
    """Make ``place`` a repository that serves as ``repository`` does with ``overlay`` laid over the profile.

    ``config_name`` is the profile's, empty for the plain configurations. ServingError for an overlay that does not fit.
    """
    from google.protobuf import text_format

    changed = patched(read_configs(repository, config_name), overlay)
    try:
        place.mkdir(mode=0o700)
        for folder in sorted(path for path in repository.iterdir() if path.is_dir()):
            if folder.name in changed:
                config = changed[folder.name]
                text, labels = text_format.MessageToString(config), {output.label_filename for output in config.output}
                _model(folder, place / folder.name, config_file(folder, config_name), text, labels)
            else:
                (place / folder.name).symlink_to(folder.absolute())
    except OSError as error:
        raise ServingError(f"{place} cannot be written ({error.strerror}), and --overlay needs it.") from error


def config_file(folder: Path, config_name: str) -> Path:
    """The file that Triton reads of a model's folder with that ``--model-config-name``."""
    special = folder / "configs" / f"{config_name}.pbtxt"
    return special if special.is_file() else folder / "config.pbtxt"


def read_configs(repository: Path, config_name: str) -> Configs:
    """Every model of ``repository`` that has a configuration under ``config_name``."""
    from google.protobuf import text_format
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    files = {path.name: config_file(path, config_name) for path in sorted(repository.iterdir()) if path.is_dir()}
    found = {}
    for name, file in files.items():
        if file.is_file():
            try:
                found[name] = text_format.Parse(file.read_text(encoding="utf-8"), ModelConfig())
            except text_format.ParseError as error:
                raise ServingError(f"{file} is not a configuration of a model: {error}") from error
    return found


def patched(configs: Configs, overlay: Overlay) -> Configs:
    """The configurations that ``overlay`` changes, changed; ServingError where it does not fit."""
    served = steps(configs, [model for model in PUBLIC_MODELS if model in configs]) or list(configs)
    unknown = [name for name in overlay.models if name not in served]
    if unknown:
        raise ServingError(f"This profile has no model {unknown[0]!r}; there are {', '.join(sorted(served))}.")
    changed = {}
    for name, settings in overlay.models.items():
        changed[name] = type(configs[name])()
        changed[name].CopyFrom(configs[name])
        lacking = [key for key in settings if key not in keys_of(configs[name])]
        if lacking:
            raise ServingError(
                f"{name} has no {lacking[0]} to set in this profile; it has {', '.join(keys_of(configs[name]))}."
            )
        _patch(changed[name], settings)
    return changed | _narrowed({**configs, **changed})


def keys_of(config: Any) -> tuple[str, ...]:
    """The settings that make sense for a model with this configuration.

    Ensembles alone may remember responses: of another model Triton 2.51 remembers errors too, as responses without any
    output, such as that of an inversion whose client went away.
    """
    if config.HasField("ensemble_scheduling"):
        return ("response_cache",)
    batching = ("queue_delay_us", "preferred_batch", "queue_size") if config.HasField("dynamic_batching") else ()
    told = [key for key in ("streams", "threads") if "streams" in config.parameters or key in config.parameters]
    told += ["recorded"] if "recorded" in config.parameters else []
    return ("instances", *told, *batching, "max_batch")


def value_of(config: Any, key: str) -> Value | None:
    """What a configuration has for one of ``keys_of``, in an overlay's words; None where it says nothing."""
    queue = config.dynamic_batching
    if key in ("streams", "threads"):
        return int(config.parameters[key].string_value) if key in config.parameters else None
    if key == "recorded":
        return bool(config.parameters[key].string_value == "true") if key in config.parameters else None
    found: dict[str, Value | None] = {
        "instances": sum(group.count for group in config.instance_group) or None,
        "queue_delay_us": queue.max_queue_delay_microseconds,
        "preferred_batch": tuple(queue.preferred_batch_size) or None,
        "queue_size": queue.default_queue_policy.max_queue_size,
        "max_batch": config.max_batch_size,
        "response_cache": config.response_cache.enable,
    }
    return found[key]


def steps(configs: Configs, models: Sequence[str]) -> list[str]:
    """``models`` and all models that they are ensembles of, each once, in the order of a request's path."""
    found: list[str] = []
    for model in models:
        inner = [step.model_name for step in configs[model].ensemble_scheduling.step]
        found += [name for name in (model, *steps(configs, inner)) if name not in found]
    return found


def forgets(config: Any) -> bool:
    """Whether Triton may leave a request waiting for half a second: one that comes while the only instance works, and
    that no other follows.

    Where there is a limit to what may wait, Triton 2.51 does not wake its batcher when that instance gets free. With
    two instances it was never seen.
    """
    limited = config.dynamic_batching.default_queue_policy.max_queue_size > 0
    return bool(limited and (value_of(config, "instances") or 1) == 1)  # one is Triton's default


def _instances(config: Any, value: Value) -> None:
    for group in config.instance_group or [config.instance_group.add()]:
        group.count = value


_SET: Mapping[str, Callable[[Any, Any], None]] = {
    "instances": _instances,
    "streams": lambda config, value: _parameter(config, "streams", value),
    "threads": lambda config, value: _parameter(config, "threads", value),
    "recorded": lambda config, value: _parameter(config, "recorded", str(value).lower()),
    "queue_delay_us": lambda config, value: setattr(config.dynamic_batching, "max_queue_delay_microseconds", value),
    "preferred_batch": lambda config, value: _preferred(config, value),
    "queue_size": lambda config, value: setattr(config.dynamic_batching.default_queue_policy, "max_queue_size", value),
    "max_batch": lambda config, value: setattr(config, "max_batch_size", value),
    "response_cache": lambda config, value: setattr(config.response_cache, "enable", value),
}
"""How each of ``serving.overlay.KEYS`` is written into a configuration."""


def _parameter(config: Any, name: str, value: int | str) -> None:
    config.parameters[name].string_value = str(value)


def _preferred(config: Any, value: int | tuple[int, ...]) -> None:
    config.dynamic_batching.preferred_batch_size[:] = value if isinstance(value, tuple) else (value,)


def _patch(config: Any, settings: Mapping[str, Value]) -> None:
    for key, value in settings.items():
        _SET[key](config, value)
    largest = max(config.dynamic_batching.preferred_batch_size, default=0)
    if largest > config.max_batch_size:
        raise ServingError(
            f"{config.name}.preferred_batch is {largest}, more than its max_batch of {config.max_batch_size}."
        )
    if forgets(config):
        raise ServingError(
            f"{config.name} needs two instances, or queue_size = 0: with one and a limit to what may wait, Triton "
            "leaves some requests waiting for half a second."
        )


def _narrowed(configs: Configs) -> Configs:
    """The ensembles whose batches must be smaller because a step's are: Triton refuses them otherwise."""
    changed: Configs = {}
    while True:
        seen = {**configs, **changed}
        wide = {
            name: least
            for name, config in seen.items()
            if (least := _smallest(config, seen)) and least < config.max_batch_size
        }
        if not wide:
            return changed
        for name, least in wide.items():
            changed[name] = type(seen[name])()
            changed[name].CopyFrom(seen[name])
            changed[name].max_batch_size = least


def _smallest(config: Any, configs: Configs) -> int:
    inside = [configs[step.model_name].max_batch_size for step in config.ensemble_scheduling.step]
    return min(inside, default=0)


def _model(folder: Path, place: Path, config: Path, text: str, labels: set[str]) -> None:
    """A model's folder of links, with ``text`` where ``config`` was. Files of ``labels`` are copied: servers
    of 2026 refuse those that lie elsewhere (core's ``Model::Init``); the wheel's does not look."""
    folders = {folder: place} if config.parent == folder else {folder: place, config.parent: place / config.parent.name}
    for source, target in folders.items():
        target.mkdir()
        for entry in source.iterdir():
            if source == folder and entry.name in labels:
                shutil.copyfile(entry, target / entry.name)
            elif entry != config and entry not in folders:
                (target / entry.name).symlink_to(entry.absolute())
    (place / config.relative_to(folder)).write_text(text, encoding="utf-8")
