import json
import stat
from pathlib import Path

import pytest

from export.publish import publish, sha256


def test_model_and_manifest_appear_together(tmp_path: Path) -> None:
    folder = tmp_path / "net" / "1"
    path = publish(folder, lambda file: {"note": str(file.write_bytes(b"weights"))})
    assert path == folder / "model.onnx"
    assert path.read_bytes() == b"weights"
    manifest = json.loads((folder / "model.onnx.json").read_text())
    assert manifest == {"file": "model.onnx", "sha256": sha256(path), "bytes": 7, "note": "7"}
    assert sorted(item.name for item in folder.iterdir()) == ["model.onnx", "model.onnx.json"]
    assert path.stat().st_mode & stat.S_IRUSR


def test_what_was_there_stays_until_the_new_one_is_whole_and_checked(tmp_path: Path) -> None:
    publish(tmp_path, lambda file: {"bytes_written": file.write_bytes(b"old")})

    def write(file: Path) -> dict[str, str]:
        file.write_bytes(b"half of the n")
        assert (tmp_path / "model.onnx").read_bytes() == b"old"
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk is full"):
        publish(tmp_path, write)
    assert (tmp_path / "model.onnx").read_bytes() == b"old"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["model.onnx", "model.onnx.json"]
    assert publish(tmp_path, lambda file: {"n": file.write_bytes(b"new")}).read_bytes() == b"new"


def test_other_formats_stay_and_a_file_comes_with_what_it_needs(tmp_path: Path) -> None:
    publish(tmp_path, lambda file: {"n": file.write_bytes(b"onnx")})

    def write(file: Path) -> dict[str, int]:
        return {"xml": file.write_bytes(b"graph"), "bin": file.with_suffix(".bin").write_bytes(b"weights")}

    path = publish(tmp_path, write, ("model.xml", "model.bin"))
    assert path.read_bytes() == b"graph"
    assert {item.name for item in tmp_path.iterdir()} == {
        *("model.onnx", "model.onnx.json"),
        *("model.xml", "model.bin", "model.xml.json"),
    }
    manifest = json.loads((tmp_path / "model.xml.json").read_text())
    assert manifest["others"] == [{"file": "model.bin", "sha256": sha256(tmp_path / "model.bin"), "bytes": 7}]


def test_a_refusal_leaves_no_empty_folder_behind(tmp_path: Path) -> None:
    def refuse(file: Path) -> dict[str, str]:
        raise RuntimeError("refused")

    with pytest.raises(RuntimeError, match="refused"):
        publish(tmp_path / "net" / "1", refuse)
    assert not (tmp_path / "net" / "1").exists()
