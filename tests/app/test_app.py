"""The web page, run without a browser."""

import io
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import client.client
from client import FakeTransport
from film.specs import FILM_ORIGIN_EXPLAIN

PAGE = Path(__file__).parents[2] / "app" / "main.py"


def picture(kind: str = "JPEG", mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert(mode).save(buffer, kind)
    return buffer.getvalue()


def page(monkeypatch: pytest.MonkeyPatch, address: str) -> AppTest:
    monkeypatch.setenv("SAFELIGHT_URL", address)
    return AppTest.from_file(str(PAGE), default_timeout=60).run()


def captions(shown: AppTest) -> list[str]:
    return [caption for element in shown.get("image") for caption in element.captions]


@pytest.mark.e2e
def test_uploads_get_a_verdict_each_and_a_bad_one_its_reason(monkeypatch: pytest.MonkeyPatch, server: object) -> None:
    shown = page(monkeypatch, server.grpc_url)  # type: ignore[attr-defined]
    shown.toggle[1].set_value(True)
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
    assert captions(shown)[:3] == ["", "where film shows: yellow the most, blue not at all", "positive"]


@pytest.mark.e2e
def test_every_kind_of_picture_is_shown_with_its_map_only_if_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch, server: object
) -> None:
    shown = page(monkeypatch, server.grpc_url)  # type: ignore[attr-defined]
    kinds = {"a.jpeg": ("JPEG", "L"), "b.png": ("PNG", "RGBA"), "c.tiff": ("TIFF", "I;16"), "d.webp": ("WEBP", "RGB")}
    files = [(name, picture(*how), f"image/{how[0].lower()}") for name, how in kinds.items()]
    shown.file_uploader[0].set_value(files).run()
    assert not shown.exception
    assert not shown.error
    assert [header.value for header in shown.subheader] == list(kinds)
    assert ["where film shows" in caption for caption in captions(shown)] == [False, True] * len(kinds)

    shown.toggle[0].set_value(False).run()
    assert captions(shown) == [""] * len(kinds)


def test_a_server_that_does_not_explain_judges_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Few(FakeTransport):
        async def is_ready(self, model: str | None, timeout: float) -> bool:
            return model != FILM_ORIGIN_EXPLAIN.name

    monkeypatch.setattr(client.client, "open_transport", lambda url, asynchronous: Few())
    shown = page(monkeypatch, "few:8001")
    shown.file_uploader[0].set_value([("good.jpg", picture(), "image/jpeg")]).run()
    assert not shown.exception
    assert not shown.error
    assert "without film_origin_explain" in shown.caption[1].value
    assert captions(shown) == [""]


def test_without_a_server_the_page_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = page(monkeypatch, "localhost:9")
    assert not shown.exception
    shown.file_uploader[0].set_value([("good.jpg", picture(), "image/jpeg")])
    shown.run()
    assert "`safelight serve` starts one" in shown.error[0].value
