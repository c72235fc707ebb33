"""The Streamlit page. Run it beside a server: ``make app``.

SAFELIGHT_URL names the server (default localhost:8001).
"""

import os

import streamlit as st

from client import Client, ClientError, Prediction
from film.specs import GRPC_PORT, PICTURE_SUFFIXES

ADDRESS = os.environ.get("SAFELIGHT_URL", f"localhost:{GRPC_PORT}")


@st.cache_resource
def connect(address: str) -> Client:
    """One client for all visitors."""
    return Client(address)


def describe(prediction: Prediction) -> str:
    """One prediction in a few words of Markdown."""
    if prediction.error or not (prediction.origin and prediction.condition):
        return f":red[{prediction.error}]"
    defects = ", ".join(f"{name.replace('_', ' ')} {chance:.0%}" for name, chance in prediction.named_defects.items())
    return f"**{prediction.origin}** · as a negative: **{prediction.condition}**" + (f" · {defects}" if defects else "")


def main() -> None:
    """The page, from top to bottom."""
    st.set_page_config(page_title="Safelight", page_icon="🎞️", layout="wide")
    st.title("Safelight")
    st.caption(f"Film or digital? Is this negative readable? Answers come from the server at {ADDRESS}.")
    uploads = st.file_uploader(
        "Photographs or negatives", type=[s.lstrip(".") for s in sorted(PICTURE_SUFFIXES)], accept_multiple_files=True
    )
    invert = st.toggle("Show positives of negatives")
    if not uploads:
        return
    try:
        with st.spinner("Looking ..."):
            pictures = [upload.getvalue() for upload in uploads]
            predictions = connect(ADDRESS).classify(pictures)
            positives = connect(ADDRESS).invert(pictures) if invert else [None] * len(pictures)
    except ClientError as error:
        st.error(f"{error} Start one with `make serve`.")
        return
    for upload, prediction, positive in zip(uploads, predictions, positives, strict=True):
        st.subheader(upload.name)
        st.markdown(describe(prediction))
        columns = st.columns(2)
        if not prediction.error:
            columns[0].image(upload)
        if positive and positive.data:
            columns[1].image(positive.data, caption="positive")


if __name__ == "__main__":
    main()
