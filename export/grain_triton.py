"""The blocks of ``export.grain_torch`` measured by two kernels in Triton's language; import it where that is installed.

A thread has five columns of a block and goes down its rows: what is needed of a row again stays in registers, and no
residual is ever written. Blurs are left unscaled, sums of integer taps, until a residual is taken: powers of two are
exact. Loops are unrolled as far as it saves moves of what is kept; all of it unrolled compiles ten times as long.
``tests/export/test_grain_kernels.py`` holds taps and lags against ``export.grain_torch``.
"""

import triton
import triton.language as tl

from export.grain_triton_parts import (
    COLUMNS,
    MEANS,
    REACHED,
    columns_of,
    empty_above,
    empty_smooth,
    measured,
    measured_below,
    part,
    place_of,
    residual,
    row_of,
    smooth_step,
    store_half,
    store_means,
    times,
    where,
    within,
)


@triton.jit
def measure_fine(luma, means, half, total, height, width, side: tl.constexpr, lanes: tl.constexpr, tile: tl.constexpr):
    """The two finest bands of ``luma`` float32 [n, 1, h, w], and what the third is made of.

    means: float32 [n, 19, blocks]; nine of luma - fine, nine of fine - middle, luma's. half: float32 [n, 1, h/2, w/2].
    """
    picture, block, y, x, real = place_of(total, height, width, side, lanes, tile)
    image = luma + picture * height * width
    columns = columns_of(x, width, -3, 10)
    none = tl.zeros((tile, lanes), tl.float32)
    sharp = (times(none, REACHED), times(none, REACHED), times(none, REACHED))
    across = (times(none, 11), times(none, 11))
    smooth = empty_smooth(none)
    for line in tl.range(-3, 3, loop_unroll_factor=2):
        row = row_of(image, y + line, height, width, columns)
        sharp, across, smooth, _, _, _ = _fine_step(row, sharp, across, smooth)
    first, second, tone = times(none, MEANS), times(none, MEANS), none
    first_above, second_above = empty_above(none), empty_above(none)
    for pair in tl.range(side // 2, loop_unroll_factor=2):
        above = times(none, REACHED)
        for step in tl.static_range(2):
            row = row_of(image, y + 2 * pair + step + 3, height, width, columns)
            sharp, across, smooth, centre, fine, middle = _fine_step(row, sharp, across, smooth)
            band = within(residual(centre, 1.0, fine, 1 / 16), x, width)
            first, first_above = measured(first, band, first_above)
            band = within(residual(fine, 1 / 16, middle, 1 / 4096), x, width)
            second, second_above = measured(second, band, second_above)
            for column in tl.static_range(COLUMNS):
                tone += centre[column]
            if step == 0:
                above = middle
            else:
                store_half(half, picture, y // 2 + pair, x, height, width, above, middle, 1 / 16384, real)
    inside = y + side < height
    for line in tl.range(side + 3, side + 5):
        row = row_of(image, y + line, height, width, columns)
        sharp, across, smooth, centre, fine, middle = _fine_step(row, sharp, across, smooth)
        band = where(inside, within(residual(centre, 1.0, fine, 1 / 16), x, width))
        first, first_above = measured_below(first, band, first_above)
        band = where(inside, within(residual(fine, 1 / 16, middle, 1 / 4096), x, width))
        second, second_above = measured_below(second, band, second_above)
    blocks = (height // side) * (width // side)
    found = means + picture * (2 * MEANS + 1) * blocks + block
    store_means(found, blocks, first + second + (tone,), 2 * MEANS + 1, side, real)


@triton.jit
def measure_coarse(
    half, means, quarter, total, height, width, side: tl.constexpr, lanes: tl.constexpr, tile: tl.constexpr
):
    """The third band of ``half`` float32 [n, 1, h, w], and what texture is measured on.

    means: float32 [n, 9, blocks] of half - smooth. quarter: float32 [n, 1, h/2, w/2].
    """
    picture, block, y, x, real = place_of(total, height, width, side, lanes, tile)
    image = half + picture * height * width
    columns = columns_of(x, width, -2, 9)
    none = tl.zeros((tile, lanes), tl.float32)
    smooth = empty_smooth(none)
    for line in tl.range(-2, 2):
        row = row_of(image, y + line, height, width, columns)
        smooth, _, _ = smooth_step(row, smooth)
    first, first_above = times(none, MEANS), empty_above(none)
    for pair in tl.range(side // 2):
        above = times(none, REACHED)
        for step in tl.static_range(2):
            row = row_of(image, y + 2 * pair + step + 2, height, width, columns)
            smooth, centre, middle = smooth_step(row, smooth)
            band = within(residual(centre, 1.0, middle, 1 / 256), x, width)
            first, first_above = measured(first, band, first_above)
            if step == 0:
                above = middle
            else:
                store_half(quarter, picture, y // 2 + pair, x, height, width, above, middle, 1 / 1024, real)
    inside = y + side < height
    for line in tl.range(side + 2, side + 4):
        row = row_of(image, y + line, height, width, columns)
        smooth, centre, middle = smooth_step(row, smooth)
        band = where(inside, within(residual(centre, 1.0, middle, 1 / 256), x, width))
        first, first_above = measured_below(first, band, first_above)
    blocks = (height // side) * (width // side)
    store_means(means + picture * MEANS * blocks + block, blocks, first, MEANS, side, real)


@triton.jit
def _three(a, b, c):
    return a + c + 2 * b


@triton.jit
def _fine_step(row, sharp, across, smooth):
    """From luma's row y + 3, 13 columns: row y of luma, of fine (times 16) and of middle (times 4096)."""
    blurred = ()
    for column in tl.static_range(11):
        blurred += (_three(row[column], row[column + 1], row[column + 2]),)
    fine = ()
    for column in tl.static_range(11):
        fine += (_three(across[0][column], across[1][column], blurred[column]),)
    centre = sharp[0]
    smooth, fine, middle = smooth_step(fine, smooth)
    return (sharp[1], sharp[2], part(row, 3, REACHED)), (across[1], blurred), smooth, centre, fine, middle
