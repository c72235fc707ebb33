"""The web page, run without a browser."""

import io
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

PAGE = Path(__file__).parents[2] / "app" / "main.py"


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


def page(monkeypatch: pytest.MonkeyPatch, address: str) -> AppTest:
    monkeypatch.setenv("SAFELIGHT_URL", address)
    return AppTest.from_file(str(PAGE), default_timeout=60).run()


@pytest.mark.e2e
def test_uploads_get_a_verdict_each_and_a_bad_one_its_reason(monkeypatch: pytest.MonkeyPatch, server: object) -> None:
    shown = page(monkeypatch, server.grpc_url)  # type: ignore[attr-defined]
    shown.toggle[0].set_value(True)
    shown.file_uploader[0].set_value(
        [("good.jpg", picture(), "image/jpeg"), ("bad.jpg", b"not a picture at all", "image/jpeg")]
    )
    shown.run()
    assert not shown.exception
    assert [header.value for header in shown.subheader] == ["good.jpg", "bad.jpg"]
    good, bad = (text.value for text in shown.markdown)
    assert "film" in good or "digital" in good
    assert "readable" in good or "damaged" in good
    assert "not a JPEG" in bad


def test_without_a_server_the_page_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = page(monkeypatch, "localhost:9")
    assert not shown.exception
    shown.file_uploader[0].set_value([("good.jpg", picture(), "image/jpeg")])
    shown.run()
    assert "make serve" in shown.error[0].value
