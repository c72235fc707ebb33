"""Pictures that are kept are made anew once the code that makes their pixels has changed."""

from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("torch", reason="training needs the train extra")

from training.data.origin_set import prepare
from training.negative_condition_data import Order

ROOT = Path(__file__).parents[2]
CODE = ("film/images.py", "film/ops/fast.py", "film/ops/reference.py", "training/data/darkroom/grain.py")


@pytest.mark.parametrize("name", CODE)
def test_other_code_is_another_cache(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = pd.DataFrame({"path": [], "label": [], "group": []})
    (tmp_path / "photograph.jpg").write_bytes(b"a photograph")
    order = Order((tmp_path / "photograph.jpg",), 1, 0)
    prepare(nothing, tmp_path / "cache")
    before = order.key
    read = Path.read_bytes

    def changed(path: Path) -> bytes:
        return read(path) + (b"\n# another resize" if path == ROOT / name else b"")

    monkeypatch.setattr(Path, "read_bytes", changed)
    prepare(nothing, tmp_path / "cache")
    assert order.key != before
    assert len(list((tmp_path / "cache").iterdir())) == 2
