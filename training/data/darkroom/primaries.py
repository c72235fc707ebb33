"""What light an sRGB value may stand for: spectra of its three primaries, for ``reduce_curves``.

A picture holds three numbers where the scene had a spectrum. Of the many spectra that give the same numbers the
smoothest are taken, as Mallett and Yuksel do ("Spectral primary decomposition for rendering with sRGB reflectance",
2019): three reflectances in 0..1 that add up to 1 everywhere, so that white is white, each with the colour of one
primary under light of equal energy. That light instead of D65 is a simplification (Smits, "An RGB-to-spectrum
conversion for reflectances", 1999, makes it too). The eye's matching functions are the sums of Gaussians of Wyman,
Sloan and Shirley, "Simple analytic approximations to the CIE XYZ color matching functions" (2013).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear  # type: ignore[import-untyped]

Spectra = NDArray[np.float64]

WAVELENGTHS: Spectra = np.arange(380.0, 721.0, 5.0)
"""Nanometres (69,)."""
_LOBES = (
    ((1.056, 599.8, 37.9, 31.0), (0.362, 442.0, 16.0, 26.7), (-0.065, 501.1, 20.4, 26.2)),
    ((0.821, 568.8, 46.9, 40.5), (0.286, 530.9, 16.3, 31.1)),
    ((1.217, 437.0, 11.8, 36.0), (0.681, 459.0, 26.0, 13.8)),
)
"""Height, middle, and width below and above it, in nanometres, of the Gaussians of x, y and z."""
_CHROMATICITY = np.array([[0.64, 0.33], [0.30, 0.60], [0.15, 0.06]])
"""x and y of red, green and blue, IEC 61966-2-1."""
_FIRMNESS = 1e3
"""Weight of being right against being smooth."""


def matching_functions() -> Spectra:
    """How much of red, green and blue (3, 69) light of each wavelength is; each row adds up to 1."""
    lobes = [
        sum(
            h * np.exp(-0.5 * ((WAVELENGTHS - m) / np.where(m > WAVELENGTHS, low, high)) ** 2)
            for h, m, low, high in row
        )
        for row in _LOBES
    ]
    xyz = np.stack([np.asarray(row) for row in lobes])
    x, y = _CHROMATICITY.T
    primaries = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    white = xyz.sum(axis=1)
    return np.asarray(np.linalg.solve(primaries * np.linalg.solve(primaries, white), xyz), np.float64)


def reflectances() -> Spectra:
    """Reflectance (3, 69) in 0..1 of a surface of the colour of each primary: red, green, blue."""
    count = len(WAVELENGTHS)
    smooth = np.kron(np.eye(3), np.diff(np.eye(count), axis=0))
    colours = np.kron(np.eye(3), matching_functions())
    white = np.kron(np.ones((1, 3)), np.eye(count))
    wanted = np.concatenate([np.zeros(len(smooth)), _FIRMNESS * np.eye(3).ravel(), np.full(count, _FIRMNESS)])
    found = lsq_linear(np.vstack([smooth, _FIRMNESS * colours, _FIRMNESS * white]), wanted, (0, 1), method="bvls")
    return np.asarray(found.x, np.float64).reshape(3, count)
