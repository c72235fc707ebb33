"""Data, networks, loops and evaluation."""

import os

# Torch alone is enough to train and to export; Keras would look for TensorFlow. It reads this when it is imported.
os.environ.setdefault("KERAS_BACKEND", "torch")
