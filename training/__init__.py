"""Data, networks, loops and evaluation."""

import os

# Torch alone is enough to train and to export; Keras would look for TensorFlow. It reads this when it is imported.
os.environ.setdefault("KERAS_BACKEND", "torch")

# Two trainings on one machine would otherwise spin for each other's cores, and each take several times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
