"""Settings of one machine, laid over a profile: how many processes and streams, how long a batch waits.

They stand in a file of their own, ``safelight.toml``, that ``safelight serve --overlay`` reads and ``safelight tune``
writes. It says how a machine does the work, never what a model takes and gives, and the model repository stays as it
is: `serving.composed` makes a repository of links in which only the patched configurations differ.

    profile = "cpu"                # optional: refuse to be laid over another

    [server]
    cores = [0, 1]                 # CPUs that the server and its models may use
    response_cache_mb = 64         # memory for answers to pictures that were asked about before

    [film_origin_preprocess]
    instances = 3

    [film_origin_net]
    streams = 2
    queue_delay_us = 500
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from film.specs import MAX_BATCH
from serving.errors import ServingError
from serving.settings import PROFILES

FILE_NAME = "safelight.toml"
"""What a folder that is given as an overlay has in it."""
Value = int | bool | tuple[int, ...]
NO_SETTINGS: Mapping[str, Mapping[str, Value]] = MappingProxyType({})


@dataclass(frozen=True)
class Key:
    """One setting of a model: a whole number from ``low`` to ``high``, several of them, or true and false."""

    name: str
    low: int
    high: int
    summary: str
    several: bool = False
    truth: bool = False

    def read(self, where: str, value: Any) -> Value:
        """The value, if it can be; ServingError otherwise."""
        if self.truth:
            if isinstance(value, bool):
                return value
            raise ServingError(f"{where} is {value!r}; it must be true or false.")
        if self.several and isinstance(value, list) and value:
            return tuple(sorted({whole(where, one, self.low, self.high) for one in value}))
        return whole(where, value, self.low, self.high)


KEYS = {
    key.name: key
    for key in (
        Key("instances", 1, 64, "processes of the model, each with its own memory"),
        Key("streams", 0, 256, "pictures that a network works on at a time; 0 is one for every core"),
        Key(
            "threads",
            0,
            1024,
            "of all streams of a network, 0 is one for each; in profile cuda of each process to decode with, 0 is 4",
        ),
        Key("queue_delay_us", 0, 1_000_000, "microseconds that a request may wait for others to share a batch with"),
        Key("preferred_batch", 1, MAX_BATCH, "pictures, or a list of them, that make a batch start", several=True),
        Key("max_batch", 2, MAX_BATCH, "most pictures of a batch, and of a request to the models it is a step of"),
        Key("queue_size", 0, 1_000_000, "requests that may wait, before the next is refused; 0 is any number"),
        Key("recorded", 0, 1, "launch a network of profile cuda as CUDA graphs, which keep GPU memory", truth=True),
        Key("response_cache", 0, 1, "of an ensemble: remember answers in [server] response_cache_mb", truth=True),
    )
}
"""What may be said of a model. The start-up check sends two pictures at once, so ``max_batch`` begins there."""
SERVER = "server"
_CACHE_MB = (1, 2**20)
_SERVER_KEYS = ("cores", "response_cache_mb")


@dataclass(frozen=True)
class Overlay:
    """``models`` has each model's settings by the names of ``KEYS``; ``cores`` are CPUs, none for all of them.

    ``profile`` is the only one that it fits, empty for any.
    """

    models: Mapping[str, Mapping[str, Value]] = field(default_factory=lambda: NO_SETTINGS)
    profile: str = ""
    cores: tuple[int, ...] = ()
    response_cache_mb: int = 0

    def __post_init__(self) -> None:
        asking = [name for name, settings in self.models.items() if settings.get("response_cache")]
        if asking and not self.response_cache_mb:
            raise ServingError(
                f"{asking[0]}.response_cache needs memory: say how much with response_cache_mb under [{SERVER}]."
            )

    def to_toml(self) -> str:
        """The text of a file that ``read_overlay`` reads as this."""
        lines = [f'profile = "{self.profile}"', ""] if self.profile else []
        server: dict[str, Value] = {"cores": self.cores, "response_cache_mb": self.response_cache_mb}
        sections: dict[str, Mapping[str, Value]] = {SERVER: {key: value for key, value in server.items() if value}}
        sections |= {name: self.models[name] for name in sorted(self.models)}
        for name, settings in sections.items():
            if settings:
                lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in settings.items()), ""]
        return "\n".join(lines)


def read_overlay(place: Path, profile: str = "") -> Overlay:
    """The overlay in a file, or in ``safelight.toml`` of a folder, for ``profile`` (empty: for whichever).

    ServingError, with the reason, for what is none, or is for another profile.
    """
    file = place / FILE_NAME if place.is_dir() else place
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ServingError(f"The overlay {file} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ServingError(f"The overlay {file} is not TOML: {error}.") from error
    try:
        overlay = parse_overlay(told)
    except ServingError as error:
        raise ServingError(f"The overlay {file} cannot be used: {error}") from error
    if profile and overlay.profile not in ("", profile):
        raise ServingError(f"The overlay {file} is for profile {overlay.profile}, not {profile}.")
    return overlay


def parse_overlay(told: Mapping[str, Any]) -> Overlay:
    """The overlay that tables of TOML say; ServingError for an unknown key or a value out of range."""
    profile, models, server = "", {}, {}
    for name, value in told.items():
        if name == "profile":
            if not isinstance(value, str) or value not in {known.name for known in PROFILES}:
                raise ServingError(f"profile is {value!r}; it must be one of {_listed(p.name for p in PROFILES)}.")
            profile = value
        elif not isinstance(value, dict):
            raise ServingError(f"{name} is not known outside of a model's section; there is profile.")
        elif name == SERVER:
            server = _server(value)
        else:
            models[name] = {key: _known(name, key).read(f"{name}.{key}", one) for key, one in value.items()}
    return Overlay(models, profile, **server)


def whole(where: str, value: Any, low: int, high: int) -> int:
    """``value``, if it is a whole number from ``low`` to ``high``; ServingError that names ``where`` otherwise."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ServingError(f"{where} is {value!r}; it must be a whole number from {low} to {high}.")
    return value


def _known(model: str, key: str) -> Key:
    if key not in KEYS:
        raise ServingError(f"{model}.{key} is not known; there are {_listed(KEYS)}.")
    return KEYS[key]


def _server(told: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in told.items():
        where = f"{SERVER}.{key}"
        if key == "cores":
            found[key] = _cores(where, value)
        elif key == "response_cache_mb":
            found[key] = whole(where, value, *_CACHE_MB)
        else:
            raise ServingError(f"{where} is not known; there are {_listed(_SERVER_KEYS)}.")
    return found


def _cores(where: str, value: Any) -> tuple[int, ...]:
    """CPUs by number, all of which this process may use."""
    here = os.sched_getaffinity(0)
    if not isinstance(value, list) or not value or any(type(one) is not int or one not in here for one in value):
        raise ServingError(f"{where} is {value!r}; it must be a list of some of {sorted(here)}.")
    return tuple(sorted(set(value)))


def _listed(names: Any) -> str:
    return ", ".join(names)


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value)
