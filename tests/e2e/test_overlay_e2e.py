"""A server with an overlay: its models are set as told, and it proves itself and answers as without."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import tritonclient.grpc as triton

from client import Client
from film.specs import NEGATIVE_CONDITION as MODEL
from serving import leftovers
from serving.errors import ServingError
from serving.overlay import parse_overlay
from serving.server import ServerProcess, on_free_ports
from serving.settings import Settings

pytestmark = pytest.mark.e2e
ONE = (MODEL.name,)
CLOSE = 1e-3


def overlaid(folder: Path, **told: object) -> ServerProcess:
    (folder / "safelight.toml").write_text(parse_overlay(told).to_toml())
    return ServerProcess(on_free_ports(Settings(models=ONE, overlay=folder)))


def eventually(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def reloaded(server: ServerProcess, lost: int) -> bool:
    processes = dict(leftovers.stubs(server.process_id))
    with Client(server.grpc_url) as client:
        return lost not in processes and MODEL.network_model in processes.values() and client.ready(ONE)


def test_it_serves_as_told_and_answers_as_ever(tmp_path: Path, server: ServerProcess, photographs: list[bytes]) -> None:
    with Client(server.grpc_url) as client:
        expected = [one.condition for one in client.classify(photographs, ONE)]
    told = {
        "server": {"response_cache_mb": 8},
        MODEL.preprocess_model: {"instances": 1, "queue_size": 0, "queue_delay_us": 100},
        MODEL.network_model: {"streams": 1, "threads": 2, "max_batch": 4},
        MODEL.name: {"response_cache": True},
    }
    with overlaid(tmp_path, **told) as running:
        place = leftovers.repository(running.process_id)
        assert place.is_dir()
        with triton.InferenceServerClient(running.grpc_url) as stock:
            configs = {name: stock.get_model_config(name).config for name in (*told.keys() - {"server"},)}
        with Client(running.grpc_url) as client:
            twice = [client.classify(photographs, ONE, batch_size=8) for _ in range(2)]
        with triton.InferenceServerClient(running.grpc_url) as stock:
            statistics = stock.get_inference_statistics(MODEL.name).model_stats[0].inference_stats
        lost = next(process for process, model in leftovers.stubs(running.process_id) if model == MODEL.network_model)
        os.kill(lost, signal.SIGKILL)
        assert eventually(lambda: reloaded(running, lost)), "the guard loads it again"
        with Client(running.grpc_url) as client:
            after = client.classify(photographs, ONE)
        with triton.InferenceServerClient(running.grpc_url) as stock:
            assert stock.get_model_config(MODEL.network_model).config == configs[MODEL.network_model]
    assert configs[MODEL.preprocess_model].instance_group[0].count == 1
    assert configs[MODEL.preprocess_model].dynamic_batching.max_queue_delay_microseconds == 100
    assert configs[MODEL.network_model].parameters["streams"].string_value == "1"
    assert configs[MODEL.name].max_batch_size == 4, "the client sends its eight in two requests"
    assert statistics.cache_hit.count > 0
    for answers in (*twice, after):
        for answer, verdict in zip(answers, expected, strict=True):
            assert answer.condition is not None
            assert verdict is not None
            assert answer.condition.scores == pytest.approx(verdict.scores, abs=CLOSE)
    assert not place.exists()


def test_an_overlay_for_another_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="is for profile cuda, not cpu"), overlaid(tmp_path, profile="cuda"):
        pass
