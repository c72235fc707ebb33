"""From weights to a published file, with networks of the real shape and random weights."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from export.errors import ExportError, ParityError
from export.export_model import Outcome, export_model
from export.format import load_format
from export.graphs import EXPORTABLES
from export.onnx_file import HALVED
from export.pictures import drawn_pictures, parity_pictures
from export.publish import sha256
from export.source import Source
from film.network import load_network
from film.specs import NEGATIVE_CONDITION, NETWORKS, ONNX_TOLERANCE, PARITY_TOLERANCE, VALID
from tests.export.conftest import MakeSource

SPEC = NEGATIVE_CONDITION
MODEL = EXPORTABLES[SPEC.name]
ONNX = load_format("onnx")


@pytest.fixture(scope="module")
def source(make_source: MakeSource) -> Source:
    return make_source("condition")


@pytest.fixture(scope="module")
def weights(source: Source) -> Path:
    return source.weights


@pytest.fixture(scope="module")
def outcome(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("repository")
    return export_model(source, ONNX, folder, folder / "aside")


@pytest.fixture(scope="module")
def published(outcome: Outcome) -> Path:
    assert outcome.verdict == "published"
    assert outcome.path is not None
    return outcome.path


@pytest.fixture(scope="module")
def session(published: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(published), providers=["CPUExecutionProvider"])


def ask(session: onnxruntime.InferenceSession, pixels: np.ndarray, valid: list[bool]) -> dict[str, np.ndarray]:
    names = [tensor.name for tensor in SPEC.outputs]
    inputs = {SPEC.pixels.name: pixels, VALID.name: np.array(valid)[:, None]}
    return dict(zip(names, session.run(names, inputs), strict=True))


def test_every_network_of_the_specs_can_be_exported() -> None:
    assert [model.spec.name for model in EXPORTABLES.values()] == list(EXPORTABLES)
    assert {model.spec for model in EXPORTABLES.values()} == set(NETWORKS)


def test_the_file_keeps_the_contract(published: Path) -> None:
    model = onnx.load(published)
    tensors = {value.name: value.type.tensor_type for value in (*model.graph.input, *model.graph.output)}
    shapes = {spec.name: spec.shape for spec in (SPEC.pixels, VALID, *SPEC.outputs)}
    assert set(tensors) == set(shapes)
    for name, tensor in tensors.items():
        batch, *rest = tensor.shape.dim
        assert batch.dim_param, f"{name} has a fixed batch"
        assert tuple(side.dim_value for side in rest) == shapes[name]
    assert tensors[SPEC.pixels.name].elem_type == onnx.TensorProto.UINT8
    assert tensors[VALID.name].elem_type == onnx.TensorProto.BOOL
    assert {tensors[output.name].elem_type for output in SPEC.outputs} == {onnx.TensorProto.FLOAT}


def test_weights_are_kept_in_half_precision_and_no_folder_is_named(published: Path) -> None:
    assert published.stat().st_size < 23_000_000
    content = published.read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in content


def test_pictures_that_are_not_valid_answer_nan_and_the_others_do_not_notice(
    session: onnxruntime.InferenceSession,
) -> None:
    pixels = drawn_pictures(SPEC.size)[:5]
    whole = ask(session, pixels, [True] * 5)
    holed = ask(session, pixels, [True, False, True, False, True])
    for name, answers in whole.items():
        assert np.isfinite(answers).all()
        assert np.isnan(holed[name][1::2]).all()
        np.testing.assert_allclose(holed[name][::2], answers[::2], atol=1e-6)


def test_scores_are_probabilities_in_label_order(session: onnxruntime.InferenceSession, weights: Path) -> None:
    pixels = drawn_pictures(SPEC.size)
    answers = ask(session, pixels, [True] * len(pixels))
    np.testing.assert_allclose(answers["SCORES"].sum(1), 1, atol=1e-5)
    network = MODEL.load(weights)
    with torch.no_grad():
        logits = network(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255)
    np.testing.assert_allclose(answers["SCORES"], logits.condition.softmax(1), atol=ONNX_TOLERANCE)
    np.testing.assert_allclose(answers["DEFECTS"], logits.defects.sigmoid(), atol=ONNX_TOLERANCE)
    np.testing.assert_allclose(answers["DEFECT_MAP"], logits.places.sigmoid(), atol=ONNX_TOLERANCE)


def test_the_server_s_loader_reads_the_file(published: Path) -> None:
    network = load_network(published, runtime="onnxruntime")
    pixels = drawn_pictures(SPEC.size)[:3]
    valid = np.ones((3, 1), bool)
    answers = network({SPEC.pixels.name: pixels, VALID.name: valid})
    assert {name: answer.shape for name, answer in answers.items()} == {o.name: (3, *o.shape) for o in SPEC.outputs}


def test_the_manifest_says_what_the_file_is_made_of(published: Path, weights: Path) -> None:
    manifest = json.loads((published.parent / "model.onnx.json").read_text())
    assert manifest["sha256"] == sha256(published)
    assert manifest["weights"] == {"file": weights.name, "sha256": sha256(weights)}
    assert (manifest["model"], manifest["format"]) == (SPEC.network_model, "onnx")
    runtimes = manifest["parity"]["runtimes"]
    assert {"openvino", "onnxruntime"} <= set(runtimes)
    for trial in runtimes.values():
        assert 0 <= trial["largest_difference"] <= trial["tolerance"] == PARITY_TOLERANCE[trial["arithmetic"]]
        assert ("accuracy" in trial) == (trial["arithmetic"] != "fp32")
    assert set(manifest["tools"]) == {"torch", "onnx", "onnxscript", "onnxruntime"}


def test_what_the_processor_cannot_try_is_said(outcome: Outcome) -> None:
    assert {"openvino", "onnxruntime"} <= set(outcome.differences)
    assert ("openvino bf16" in outcome.differences) != any("openvino bf16" in note for note in outcome.notes)


def test_a_file_that_answers_otherwise_is_not_published(source: Source, published: Path, tmp_path: Path) -> None:
    model = onnx.load(published)
    for weight in model.graph.initializer:
        if weight.name.endswith(HALVED):
            weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight)[::-1].copy(), weight.name))
    form = replace(ONNX, write=lambda _, path: {"of other weights": onnx.save(model, path)})
    served = tmp_path / SPEC.network_model / "1" / "model.onnx"
    served.parent.mkdir(parents=True)
    served.write_bytes(b"what was served before")
    with pytest.raises(ParityError, match="away from the trained network"):
        export_model(source, form, tmp_path, tmp_path)
    told = export_model(source, replace(form, may_be_refused=True), tmp_path, tmp_path)
    assert told.verdict == "refused"
    assert "away from the trained network" in told.notes[0]
    assert served.read_bytes() == b"what was served before"
    assert [path.name for path in served.parent.iterdir()] == ["model.onnx"]


def test_what_cannot_be_made_or_tried_here_never_reaches_the_repository(source: Source, tmp_path: Path) -> None:
    lacking = replace(ONNX, lacks=lambda spec: f"no press for {spec.name}")
    assert export_model(source, lacking, tmp_path / "r", tmp_path / "aside") == Outcome(
        "not made", notes=(f"no press for {SPEC.name}",)
    )
    untried = replace(ONNX, trials=lambda source: [replace(trial, lacks="no light") for trial in ONNX.trials(source)])
    made = export_model(source, untried, tmp_path / "r", tmp_path / "aside")
    assert made.verdict == "untried"
    assert made.path == tmp_path / "aside" / SPEC.network_model / "1" / "model.onnx"
    assert "not tried in openvino: no light" in made.notes
    assert not (tmp_path / "r").exists()


def test_weights_that_are_missing_or_foreign_are_named(source: Source, tmp_path: Path) -> None:
    absent = replace(source, weights=tmp_path / "absent.safetensors")
    with pytest.raises(ExportError, match=r"absent\.safetensors does not exist"):
        export_model(absent, ONNX, tmp_path, tmp_path)
    foreign = replace(EXPORTABLES["film_origin"])
    with pytest.raises(ExportError, match="cannot be used"):
        foreign.serving_graph(source.weights)


def test_weights_that_a_training_writes_meanwhile_are_told_from_those_that_files_are_made_of(
    source: Source, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(source.weights.read_bytes())
    mine, digest = replace(source, weights=weights), sha256(source.weights)
    assert mine.graph is not None
    weights.write_bytes(b"of a better epoch")
    outcome = export_model(mine, ONNX, tmp_path / "repository", tmp_path / "aside")
    assert outcome.path is not None
    manifest = json.loads(Path(f"{outcome.path}.json").read_text())
    assert manifest["weights"]["sha256"] == digest, "of the file that the graph was loaded from"

    def loaded_while_it_changes(path: Path) -> torch.nn.Module:
        graph = MODEL.load(source.weights)
        path.write_bytes(b"of a better epoch still")
        return graph

    between = replace(mine, model=replace(MODEL, load=loaded_while_it_changes))
    with pytest.raises(ExportError, match=r"weights\.safetensors has changed while it was exported"):
        export_model(between, ONNX, tmp_path / "repository", tmp_path / "aside")


def test_pictures_of_a_folder_are_prepared_as_served_and_unreadable_ones_left_out(tmp_path: Path) -> None:
    import cv2

    picture = np.full((50, 80, 3), (10, 20, 200), np.uint8)
    cv2.imwrite(str(tmp_path / "red.png"), picture)
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    pictures = parity_pictures(SPEC, tmp_path)
    drawn = drawn_pictures(SPEC.size)
    assert len(pictures) == 1 + len(drawn)
    assert (pictures[0] == (200, 20, 10)).all()
    assert np.array_equal(pictures[1:], drawn)
    assert len(parity_pictures(SPEC, tmp_path / "absent")) == len(drawn)
