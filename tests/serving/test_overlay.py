"""What an overlay may say, what it makes of a repository, and that the repository itself is never touched."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc.model_config_pb2 import ModelConfig

from film import specs
from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION
from serving import leftovers
from serving.composed import compose, config_file, forgets, keys_of, patched, read_configs, steps, value_of
from serving.errors import ServingError
from serving.overlay import KEYS, Overlay, parse_overlay, read_overlay
from serving.settings import DEFAULT_REPOSITORY, PROFILES

CPU = read_configs(DEFAULT_REPOSITORY, "")
PRE, NET = FILM_ORIGIN.preprocess_model, FILM_ORIGIN.network_model


def values(key: str) -> st.SearchStrategy[Any]:
    known = KEYS[key]
    if known.truth:
        return st.booleans()
    numbers = st.integers(known.low, known.high)
    several = st.frozensets(numbers, min_size=1, max_size=3).map(lambda found: tuple(sorted(found)))
    return numbers | several if known.several else numbers


SETTINGS = st.sets(st.sampled_from(sorted(KEYS))).flatmap(
    lambda keys: st.fixed_dictionaries({key: values(key) for key in sorted(keys)})
)


def written(folder: Path, text: str) -> Path:
    file = folder / "safelight.toml"
    file.write_text(text, encoding="utf-8")
    return file


@given(
    st.builds(
        Overlay,
        models=st.dictionaries(st.sampled_from(sorted(CPU)), SETTINGS.filter(bool)),
        profile=st.sampled_from(["", *(profile.name for profile in PROFILES)]),
        cores=st.sampled_from([(), (min(os.sched_getaffinity(0)),)]),
        response_cache_mb=st.integers(1, 1000),
    )
)
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, overlay: Overlay) -> None:
    file = written(tmp_path_factory.mktemp("overlay"), overlay.to_toml())
    assert read_overlay(file) == read_overlay(file.parent) == overlay


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[film_origin_net]\nstreams = ", "not TOML"),
        ("[film_origin_net]\nstreems = 2", "film_origin_net.streems is not known; there are instances, streams"),
        ("[film_origin_net]\nstreams = 257", "film_origin_net.streams is 257; it must be a whole number from 0 to 256"),
        ("[film_origin_net]\ninstances = true", "film_origin_net.instances is True"),
        ("[film_origin_net]\ninstances = 1.5", "film_origin_net.instances is 1.5"),
        ("[film_origin_net]\npreferred_batch = []", "film_origin_net.preferred_batch is []"),
        ("[film_origin_net]\nmax_batch = 1", "from 2 to 64"),
        ("[film_origin]\nresponse_cache = 1", "it must be true or false"),
        ("[film_origin]\nresponse_cache = true", "response_cache_mb under"),
        ("[server]\ncores = [4096]", "server.cores is [4096]; it must be a list of some of"),
        ("[server]\ncores = []", "server.cores is []"),
        ("[server]\ncores = [[0]]", "server.cores is [[0]]"),
        ("[server]\ncores = [0.0]", "server.cores is [0.0]"),
        ("[server]\nthreads = 2", "server.threads is not known; there are cores, response_cache_mb"),
        ('profile = ["cpu"]', "profile is ['cpu']; it must be one of cpu, cuda"),
        ('profile = "quantum"', "profile is 'quantum'; it must be one of cpu, cuda"),
        ("streams = 2", "streams is not known outside of a model's section"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ServingError) as refused:
        read_overlay(written(tmp_path, text))
    assert said in str(refused.value)
    assert str(tmp_path) in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=r"safelight\.toml cannot be read: No such file"):
        read_overlay(tmp_path)


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ({"film_future": {"instances": 2}}, "no model 'film_future'; there are film_origin, "),
        ({PRE: {"streams": 2}}, "film_origin_preprocess has no streams to set in this profile"),
        ({FILM_ORIGIN.name: {"instances": 2}}, "film_origin has no instances"),
        ({specs.INVERSION_MODEL: {"streams": 2}}, "negative_inversion has no streams"),
        ({NET: {"preferred_batch": [4, 32], "max_batch": 16}}, "preferred_batch is 32, more than its max_batch of 16"),
        ({PRE: {"instances": 1}}, "film_origin_preprocess needs two instances, or queue_size = 0"),
        ({specs.INVERSION_MODEL: {"response_cache": True}}, "negative_inversion has no response_cache to set"),
        ({NET: {"queue_size": 9}}, "film_origin_net needs two instances, or queue_size = 0"),
    ],
)
def test_what_does_not_fit_a_model_is_refused(models: dict[str, Any], said: str) -> None:
    with pytest.raises(ServingError) as refused:
        patched(CPU, parse_overlay({**models, "server": {"response_cache_mb": 1}}))
    assert said in str(refused.value)


def test_a_step_that_this_profile_does_not_take_is_refused() -> None:
    """It has a configuration, of the cpu profile, and nothing would come of setting it."""
    cuda = read_configs(DEFAULT_REPOSITORY, "cuda")
    assert NET in cuda
    with pytest.raises(ServingError, match=f"no model '{NET}'; there are film_origin, "):
        patched(cuda, parse_overlay({NET: {"instances": 2}}))
    changed = patched(cuda, parse_overlay({FILM_ORIGIN.name: {"instances": 4, "threads": 8, "recorded": False}}))
    assert set(changed) == {FILM_ORIGIN.name}
    said = changed[FILM_ORIGIN.name].parameters
    assert (said["threads"].string_value, said["recorded"].string_value) == ("8", "false")
    assert [value_of(configs[FILM_ORIGIN.name], "recorded") for configs in (cuda, changed)] == [True, False]
    with pytest.raises(ServingError, match="has no streams to set"):
        patched(cuda, parse_overlay({FILM_ORIGIN.name: {"streams": 2}}))


def test_every_setting_reaches_the_configuration() -> None:
    told = {
        NET: {"instances": 2, "streams": 3, "threads": 6, "queue_delay_us": 500, "preferred_batch": [8, 4]},
        PRE: {"queue_size": 7, "max_batch": 16},
        FILM_ORIGIN.name: {"response_cache": True},
    }
    changed = patched(CPU, parse_overlay({**told, "server": {"response_cache_mb": 1}}))
    network, preprocess = changed[NET], changed[PRE]
    assert [group.count for group in network.instance_group] == [2]
    assert (network.parameters["streams"].string_value, network.parameters["threads"].string_value) == ("3", "6")
    assert network.dynamic_batching.max_queue_delay_microseconds == 500
    assert list(network.dynamic_batching.preferred_batch_size) == [4, 8]
    assert list(preprocess.dynamic_batching.preferred_batch_size) == [8], "what is not named stays"
    assert preprocess.dynamic_batching.default_queue_policy.max_queue_size == 7
    assert changed[FILM_ORIGIN.name].response_cache.enable
    assert preprocess.max_batch_size == 16


def test_one_instance_will_do_where_any_number_may_wait() -> None:
    changed = patched(CPU, parse_overlay({PRE: {"instances": 1, "queue_size": 0}}))
    assert [group.count for group in changed[PRE].instance_group] == [1]


def test_triton_s_default_is_one_instance() -> None:
    config = CPU[PRE].__class__()
    config.CopyFrom(CPU[PRE])
    assert not forgets(config)
    config.ClearField("instance_group")
    assert forgets(config)


def test_the_ensembles_around_a_narrower_step_are_narrowed_and_no_others() -> None:
    changed = patched(CPU, parse_overlay({PRE: {"max_batch": 16}}))
    assert {name: config.max_batch_size for name, config in changed.items()} == {
        PRE: 16,
        FILM_ORIGIN.name: 16,
        specs.FILM_ORIGIN_EXPLAIN.name: 16,
    }
    native = patched(
        read_configs(DEFAULT_REPOSITORY, "native"), parse_overlay({FILM_ORIGIN.dali_model: {"max_batch": 16}})
    )
    assert {PRE, FILM_ORIGIN.name} <= set(native), "an ensemble in an ensemble"


def test_the_steps_of_a_model_in_the_order_of_a_request() -> None:
    assert steps(CPU, [FILM_ORIGIN.name]) == [FILM_ORIGIN.name, PRE, NET]
    native = steps(read_configs(DEFAULT_REPOSITORY, "native"), [FILM_ORIGIN.name])
    assert native == [FILM_ORIGIN.name, PRE, FILM_ORIGIN.gate_model, FILM_ORIGIN.dali_model, NET]


def everything(folder: Path, beside: Iterable[Path] = ()) -> dict[str, bytes]:
    """By its path, what is in every file under a folder, links followed."""
    files = (Path(top, name) for top, _, names in os.walk(folder, followlinks=True) for name in names)
    return {str(file.relative_to(folder)): file.read_bytes() for file in files if file not in beside}


@pytest.mark.parametrize("profile", [profile.config_name for profile in PROFILES], ids=lambda name: name or "cpu")
def test_a_composed_repository_differs_in_its_configurations_alone(tmp_path: Path, profile: str) -> None:
    before = everything(DEFAULT_REPOSITORY)
    configs = read_configs(DEFAULT_REPOSITORY, profile)
    name = next(name for name in steps(configs, specs.PUBLIC_MODELS) if "instances" in keys_of(configs[name]))
    place = tmp_path / "repository"
    compose(DEFAULT_REPOSITORY, profile, Overlay({name: {"instances": 5}}), place)
    ours, theirs = (config_file(folder / name, profile) for folder in (place, DEFAULT_REPOSITORY))
    assert everything(place, [ours]) == {
        path: data for path, data in before.items() if path != str(theirs.relative_to(DEFAULT_REPOSITORY))
    }
    read = text_format.Parse(ours.read_text(), ModelConfig())
    assert {group.count for group in read.instance_group} == {5}
    for group in read.instance_group:
        group.ClearField("count")
    wanted = text_format.Parse(theirs.read_text(), ModelConfig())
    for group in wanted.instance_group:
        group.ClearField("count")
    assert read == wanted
    assert everything(DEFAULT_REPOSITORY) == before


def test_labels_of_a_composed_model_lie_in_its_own_folder(tmp_path: Path) -> None:
    """Servers of 2026 refuse others."""
    name = NEGATIVE_CONDITION.network_model
    compose(DEFAULT_REPOSITORY, "", Overlay({name: {"streams": 1}}), tmp_path / "repository")
    for labels in ("scores.txt", "defects.txt"):
        file = tmp_path / "repository" / name / labels
        assert file.resolve() == file
        assert file.read_bytes() == (DEFAULT_REPOSITORY / name / labels).read_bytes()


def test_a_repository_that_a_dead_server_had_is_removed() -> None:
    dead = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitpid(dead, 0)
    place = leftovers.repository(dead)
    compose(DEFAULT_REPOSITORY, "", Overlay({NET: {"streams": 1}}), place)
    assert (place / NEGATIVE_CONDITION.name / "config.pbtxt").is_file()
    leftovers.remove_all()
    assert not place.exists()
    assert (DEFAULT_REPOSITORY / NET / "config.pbtxt").is_file()
