"""What may be turned on a machine, and to what: a small grid for each step of the models that are asked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.composed import keys_of, steps, value_of
from serving.overlay import SERVER, Overlay, Value

Setting = Mapping[str, Mapping[str, Value]]
"""By model, its settings in an overlay's words, and those of the server by ``server``; empty for the profile as it
is."""
DEFAULT: Setting = {}
_DELAYS = (0, 500, 2000, 5000)
"""Microseconds. A picture takes tens of thousands, so a longer wait could only make small loads slower."""
_THREADS = (2, 4, 6, 8)
"""Of the host, for DALI in each process of a model on a device."""
_BATCHES = (4, 8, 16)
"""Pictures. A network here works on them one at a time, so that a larger batch only makes the first ones wait."""


@dataclass(frozen=True)
class Choice:
    """One position of a knob: the ``values`` of a model's keys; None is the profile's own."""

    values: tuple[tuple[str, Value | None], ...]


@dataclass(frozen=True)
class Knob:
    """What of ``model`` can be turned, to each of ``choices``."""

    model: str
    choices: tuple[Choice, ...]


def knobs(configs: Mapping[str, Any], models: Sequence[str], cores: int) -> list[Knob]:
    """The knobs of ``models`` and their steps, those first that decide how many cores are used.

    ``configs`` are tritonclient's ModelConfig by model, as the profile has them; ``cores`` is how many CPUs there are.
    """
    found = []
    inside = steps(dict(configs), models)
    for key in ("instances", "threads", "streams", "queue_delay_us", "preferred_batch"):
        for model in inside:
            config = configs[model]
            if key in keys_of(config) and (choices := tuple(_choices(config, key, cores))):
                found.append(Knob(model, choices))
    return found


def turned(setting: Setting, knob: Knob, choice: Choice) -> Setting:
    """``setting`` with one knob turned."""
    values = {**setting.get(knob.model, {}), **dict(choice.values)}
    kept = {key: value for key, value in values.items() if value is not None}
    others = {model: settings for model, settings in setting.items() if model != knob.model}
    return {**others, knob.model: kept} if kept else others


def named(setting: Setting) -> str:
    """What a setting says, on one line; the same for the same settings in whatever order."""
    words = (f"{model}.{key}={value}" for model in setting for key, value in setting[model].items())
    return ", ".join(sorted(words)) or "the profile"


def overlay(setting: Setting, profile: str = "") -> Overlay:
    """What `safelight serve --overlay` reads of a setting."""
    server: Mapping[str, Any] = setting.get(SERVER, {})
    return Overlay({model: values for model, values in setting.items() if model != SERVER}, profile, **server)


def setting_of(laid: Overlay) -> Setting:
    """The same the other way; ``profile`` is lost."""
    server: dict[str, Value] = {"cores": laid.cores, "response_cache_mb": laid.response_cache_mb}
    given = {key: value for key, value in server.items() if value}
    return {**({SERVER: given} if given else {}), **laid.models}


def _choices(config: Any, key: str, cores: int) -> Iterable[Choice]:
    """The profile's own position, and the others of the grid."""
    if key == "instances" and "streams" in config.parameters:
        return  # its parallelism is inside one process, so that the weights are in memory once
    if key == "streams":
        yield from _streams(value_of(config, key), cores)
        return
    if key == "threads" and "streams" in config.parameters:
        return  # turned with them
    limited = value_of(config, "queue_size") if config.HasField("dynamic_batching") else 0
    fewest = 2 if limited else 1  # an overlay with one and a limit is refused (serving.composed.forgets)
    values: Sequence[int] = {
        "instances": sorted({max(fewest, count) for count in (1, 2, 3, 4, cores)}),
        "threads": sorted({*_THREADS, cores}),
        "queue_delay_us": _DELAYS,
        "preferred_batch": [size for size in _BATCHES if size <= config.max_batch_size],
    }[key]
    own = value_of(config, key)
    yield Choice(((key, None),))
    yield from (Choice(((key, value),)) for value in values if own not in (value, (value,)))


def _streams(own: Value | None, cores: int) -> Iterable[Choice]:
    """Streams of a thread each, and fewer of several threads: sooner done with one picture, later with many."""
    yield Choice((("streams", None), ("threads", None)))
    for streams in sorted({1, 2, 3, cores, cores + 1}):
        if streams != (own or cores):
            yield Choice((("streams", streams), ("threads", None)))
    for streams in sorted({1, max(1, cores // 2)}):
        if streams < cores:
            yield Choice((("streams", streams), ("threads", cores)))
