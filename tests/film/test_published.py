"""Which of a network's published files a machine serves."""

import hashlib
import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from film import published
from film.published import HALF_FILE, INT8_FILE, choose, manifest_file

NAMES = f"{INT8_FILE}, model.onnx"


def put(folder: Path, name: str, weights: str, *others: str) -> None:
    """A published file, others that go with it, and a manifest that says what they were made of."""
    parts = []
    for part in (name, *others):
        (folder / part).write_text(f"{part} of {weights}")
        parts.append({"file": part, "sha256": hashlib.sha256((folder / part).read_bytes()).hexdigest()})
    manifest = {**parts[0], "others": parts[1:], "weights": {"sha256": weights}}
    manifest_file(folder / name).write_text(json.dumps(manifest))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both files of the same weights, on a machine that runs both."""
    monkeypatch.setattr(published, "has_int8", lambda: True)
    put(tmp_path, "model.onnx", "these")
    put(tmp_path, INT8_FILE, "these", "model_int8.bin")
    return tmp_path


def test_the_first_is_served_where_it_runs(folder: Path) -> None:
    assert choose(folder, NAMES) == folder / INT8_FILE
    assert choose(folder, "model.onnx") == folder / "model.onnx"


def test_int8_is_not_served_by_a_processor_that_computes_it_otherwise(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "has_int8", lambda: False)
    assert choose(folder, NAMES) == folder / "model.onnx"


def test_a_file_of_openvino_is_not_served_by_another_runtime(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose(folder, NAMES, "openvino") == folder / INT8_FILE
    assert choose(folder, NAMES, "onnxruntime") == folder / "model.onnx"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert choose(folder, NAMES) == folder / "model.onnx"


def test_int8_is_not_served_where_single_precision_is_wanted(folder: Path) -> None:
    assert choose(folder, NAMES, precision="f32") == folder / "model.onnx"


def test_a_manifest_of_another_file_does_not_vouch_for_this_one(folder: Path) -> None:
    shutil.copy(manifest_file(folder / "model.onnx"), manifest_file(folder / INT8_FILE))
    assert choose(folder, NAMES) == folder / "model.onnx"
    put(folder, INT8_FILE, "these")
    assert choose(folder, NAMES) == folder / "model.onnx", "its second half is not vouched for"


def test_new_weights_in_one_format_are_not_answered_with_the_old_ones_in_another(folder: Path) -> None:
    put(folder, "model.onnx", "other")
    assert choose(folder, NAMES) == folder / "model.onnx"


@pytest.mark.parametrize("file", ["model.onnx", INT8_FILE, "model_int8.bin"])
def test_files_that_their_manifests_do_not_tell_of_are_not_trusted(folder: Path, file: str) -> None:
    (folder / file).write_text("put here by hand")
    assert choose(folder, NAMES) == folder / "model.onnx"


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"file": 3, "sha256": 4}', '{"weights": 3}'])
@pytest.mark.parametrize("file", ["model.onnx", INT8_FILE])
def test_manifests_that_say_nothing_are_no_error(folder: Path, file: str, text: str | None) -> None:
    manifest = manifest_file(folder / file)
    manifest.unlink() if text is None else manifest.write_text(text)
    assert choose(folder, NAMES) == folder / "model.onnx"


def test_without_any_file_the_last_is_named(tmp_path: Path) -> None:
    assert choose(tmp_path, NAMES) == tmp_path / "model.onnx"


def test_machine_code_is_served_by_the_device_that_it_was_compiled_for_alone(folder: Path) -> None:
    names = "model.pt2, model.onnx"
    put(folder, "model.pt2", "these")
    file = manifest_file(folder / "model.pt2")
    file.write_text(
        json.dumps(json.loads(file.read_text()) | {"compiled_for": "this GPU, torch 2", "loads_alone": True})
    )
    assert choose(folder, names, compiled_for="this GPU, torch 2") == folder / "model.pt2"
    assert choose(folder, names, compiled_for="this GPU, torch 3") == folder / "model.onnx"
    assert choose(folder, names) == folder / "model.onnx"
    file.write_text("[]")
    assert choose(folder, names, compiled_for="this GPU, torch 2") == folder / "model.onnx"


def test_half_precision_is_for_a_gpu(tmp_path: Path) -> None:
    names = f"model.pt2, {HALF_FILE}, model.pt"
    for name in (HALF_FILE, "model.pt"):
        put(tmp_path, name, "these")
    assert choose(tmp_path, names, compiled_for="a CPU") == tmp_path / "model.pt"
    assert choose(tmp_path, names, compiled_for="a GPU", on_gpu=True) == tmp_path / HALF_FILE
    put(tmp_path, HALF_FILE, "others")
    assert choose(tmp_path, names, compiled_for="a GPU", on_gpu=True) == tmp_path / "model.pt"


def test_machine_code_is_served_once_another_process_was_seen_to_load_it(tmp_path: Path) -> None:
    for name in ("model.pt2", "model.pt"):
        put(tmp_path, name, "these")
    manifest = manifest_file(tmp_path / "model.pt2")
    facts = json.loads(manifest.read_text()) | {"compiled_for": "this GPU"}
    for loads, wanted in ((None, "model.pt"), (True, "model.pt2")):
        manifest.write_text(json.dumps(facts | ({} if loads is None else {"loads_alone": loads})))
        assert choose(tmp_path, "model.pt2, model.pt", compiled_for="this GPU") == tmp_path / wanted
