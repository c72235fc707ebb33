"""The founding network of ``film_origin``: film or digital, from 700 x 700 pixels.

Kept exactly, beside the one that is served (``grain``), for comparison and for those who hold weights of it. Keras 3,
on torch unless KERAS_BACKEND says otherwise. No padding anywhere; 2 x 2 max-pooling after each of five convolutions;
7,603,905 parameters at 700 x 700.
"""

import keras
import numpy as np
from keras import layers

from film.specs import FILM_ORIGIN

CONVOLUTIONS = ((32, 3), (64, 2), (128, 3), (256, 1), (256, 2))
"""Filters and kernel side of each convolution."""
HIDDEN = 64
L2 = 0.001
DROPOUT = 0.5


def _trunk() -> list[layers.Layer]:
    trunk: list[layers.Layer] = []
    for number, (filters, side) in enumerate(CONVOLUTIONS, 1):
        trunk.append(
            layers.Conv2D(filters, side, activation="relu", kernel_initializer="he_normal", name=f"conv{number}")
        )
        trunk.append(layers.MaxPooling2D(name=f"pool{number}"))
    return trunk


def _head() -> list[layers.Layer]:
    regularizer = keras.regularizers.L2(L2)
    return [
        layers.Dense(HIDDEN, activation="relu", kernel_regularizer=regularizer, name="hidden"),
        layers.Dropout(DROPOUT, name="dropout"),
        layers.Dense(1, activation="sigmoid", name="film"),
    ]


def build(size: int = FILM_ORIGIN.size) -> keras.Model:
    """The untrained network: float32 (n, size, size, 3) RGB in 0..1 to the probability of film, (n, 1).

    ``size`` is at least 76, below which no pixel is left after the last pooling; other sizes than the served one are
    for tests.
    """
    return keras.Sequential(
        [keras.Input((size, size, 3), name="pixels"), *_trunk(), layers.Flatten(name="flatten"), *_head()],
        name=FILM_ORIGIN.name,
    )


def build_pooled(size: int) -> keras.Model:
    """The same trunk under a head that averages over all places, for training on small crops of ``size`` pixels.

    What it learns moves into the real network with ``unfold``.
    """
    pool = layers.GlobalAveragePooling2D(name="average")
    return keras.Sequential([keras.Input((size, size, 3), name="pixels"), *_trunk(), pool, *_head()], name="pooled")


def look_at_texture(network: keras.Model) -> None:
    """Take the mean out of every second filter of an untrained first layer.

    Brightness drowns grain in a random filter; one that sums to zero sees texture from the first step on.
    """
    layer = network.get_layer("conv1")
    kernel, bias = layer.get_weights()
    kernel[..., ::2] -= kernel[..., ::2].mean(axis=(0, 1, 2), keepdims=True)
    layer.set_weights([kernel, bias])


def unfold(pooled: keras.Model, network: keras.Model) -> None:
    """Give ``network`` the weights of ``pooled`` so that both say the same of the same picture.

    Averaging over p places and then multiplying by a kernel is multiplying each place by the kernel over p, so the
    pooled kernel is repeated for every place. Training can then tell the places apart.
    """
    places = network.get_layer("hidden").kernel.shape[0] // CONVOLUTIONS[-1][0]
    for layer in pooled.layers:
        weights = layer.get_weights()
        if layer.name == "hidden":
            weights[0] = np.tile(weights[0] / places, (places, 1))
        if weights:
            network.get_layer(layer.name).set_weights(weights)


def calibrate(network: keras.Model, scale: float, offset: float) -> None:
    """Fold Platt's ``scale`` and ``offset`` of the logit into the last layer."""
    last = network.get_layer("film")
    kernel, bias = last.get_weights()
    last.set_weights([kernel * scale, bias * scale + offset])
