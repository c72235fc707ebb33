"""Trained weights to servable files, behind a parity gate."""

import os

# Serving graphs are judged on the CPU. Keras would put its half of one onto a GPU if there is one, and only that half.
# It reads this when it is imported.
os.environ.setdefault("KERAS_TORCH_DEVICE", "cpu")
