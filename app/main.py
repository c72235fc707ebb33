"""The Streamlit page. Run it beside a server: ``make app``.

SAFELIGHT_URL names the server (default localhost:8001).
"""

import os
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from client import Client, ClientError, Explanation, Positive, Prediction
from film.errors import ImageError
from film.images import decode
from film.ops.overlay import overlay
from film.specs import FILM_ORIGIN_EXPLAIN, GRPC_PORT, PICTURE_SUFFIXES

ADDRESS = os.environ.get("SAFELIGHT_URL", f"localhost:{GRPC_PORT}")
SHOWN = 900  # longest side in pixels of what is sent to the browser (Streamlit would print a docstring here)
Answers = tuple[Prediction, Explanation | None, Positive | None]


@st.cache_resource
def connect(address: str) -> Client:
    """One client for all visitors."""
    return Client(address)


def ask(pictures: Sequence[bytes], *, explain: bool, negatives: bool) -> Iterator[Answers]:
    """What the server says of each picture, as soon as it has said it."""
    client = connect(ADDRESS)
    return zip(
        client.iter_classify(pictures),
        client.iter_explain(pictures) if explain else repeat(None, len(pictures)),
        client.iter_invert(pictures) if negatives else repeat(None, len(pictures)),
        strict=True,
    )


def _explains_not() -> bool:
    """Whether the server is there and the model is not that explains: one may do without it."""
    client = connect(ADDRESS)
    return client.ready([]) and not client.ready([FILM_ORIGIN_EXPLAIN.name])


def describe(prediction: Prediction) -> str:
    """One prediction in a few words of Markdown."""
    if prediction.error or not (prediction.origin and prediction.condition):
        return f":red[{prediction.error}]"
    defects = ", ".join(f"{name.replace('_', ' ')} {chance:.0%}" for name, chance in prediction.named_defects.items())
    return f"**{prediction.origin}** · as a negative: **{prediction.condition}**" + (f" · {defects}" if defects else "")


def figures(pixels: NDArray[np.uint8], answers: Answers) -> list[tuple[Any, str]]:
    """The pictures to show for one upload of ``pixels`` (height, width, 3), each with its caption."""
    prediction, explanation, positive = answers
    shown: list[tuple[Any, str]] = [(pixels, "")]
    if explanation and explanation.heatmap is not None:
        shown.append((overlay(pixels, explanation.heatmap), "where film shows: yellow the most, blue not at all"))
    if positive and positive.data:
        shown.append((positive.data, "positive"))
        for name in prediction.named_defects:
            where = prediction.map_of(name)
            if where is not None:
                shown.append((overlay(pixels, where), f"{name.replace('_', ' ')}: yellow is certain, blue impossible"))
    return shown


def show(data: bytes, answers: Answers) -> None:
    """One picture's verdict, and its figures side by side."""
    st.markdown(describe(answers[0]))
    if answers[0].error:
        return
    try:
        image = Image.fromarray(decode(data))
    except ImageError as error:
        st.caption(f"It cannot be shown: {error}")
        return
    image.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
    _, explanation, positive = answers
    for why in (explanation and explanation.error, positive and positive.error):
        if why:
            st.caption(f":red[{why}]")
    drawn = figures(np.asarray(image), answers)
    for column, (figure, caption) in zip(st.columns(max(2, len(drawn))), drawn, strict=False):
        column.image(figure, caption=caption)


def main() -> None:
    """The page, from top to bottom."""
    st.set_page_config(page_title="Safelight", page_icon="🎞️", layout="wide")
    st.title("Safelight")
    st.caption(f"Film or digital? Is this negative readable? Answers come from the server at {ADDRESS}.")
    uploads = st.file_uploader(
        "Photographs or negatives", type=[s.lstrip(".") for s in sorted(PICTURE_SUFFIXES)], accept_multiple_files=True
    )
    explain = st.toggle("Show where in the picture film shows", value=True)
    negatives = st.toggle("They are negatives: show positives, and where the defects are")
    if not uploads:
        return
    pictures = [upload.getvalue() for upload in uploads]
    bar = st.progress(0.0, "Looking ...")
    try:
        if explain and _explains_not():
            explain = False
            st.caption(f"Where film shows is not drawn: the server was started without {FILM_ORIGIN_EXPLAIN.name}.")
        for number, answers in enumerate(ask(pictures, explain=explain, negatives=negatives)):
            st.subheader(uploads[number].name)
            show(pictures[number], answers)
            bar.progress((number + 1) / len(pictures), f"{number + 1} of {len(pictures)}")
    except ClientError as error:
        st.error(str(error))
    bar.empty()


if __name__ == "__main__":
    main()
