"""What both kernels of ``export.grain_triton`` do, in Triton's language.

A thread has five columns of a block, and what it needs of a row is a tuple of columns, each a tensor [tile, lanes].
"""

import triton
import triton.language as tl

COLUMNS = tl.constexpr(5)
"""Of a thread: four threads share a block of 20, two one of 10."""
REACHED = tl.constexpr(7)
"""Columns of which a thread needs the residual: the furthest lag is two to the right."""
MEANS = tl.constexpr(9)
"""Of a band, as ``training.grain`` orders them."""


@triton.jit
def place_of(total, height, width, side: tl.constexpr, lanes: tl.constexpr, tile: tl.constexpr):
    """Of each thread its picture, its block in there, its first row and column; whether the block is a real one."""
    number = tl.program_id(0) * tile + tl.arange(0, tile)[:, None]
    real = number < total
    number = tl.minimum(number, total - 1)
    wide = width // side
    blocks = (height // side) * wide
    block = number % blocks
    x = block % wide * side + tl.arange(0, lanes)[None, :] * COLUMNS
    return (number // blocks).to(tl.int64), block, block // wide * side, x, real


@triton.jit
def _mirrored(place, length):
    place = tl.abs(place)
    return tl.minimum(place, 2 * (length - 1) - place)


@triton.jit
def columns_of(x, width, begin: tl.constexpr, end: tl.constexpr):
    """Where in a row the columns from x + begin to x + end are, mirrored at the edges."""
    columns = ()
    for step in tl.static_range(begin, end):
        columns += (_mirrored(x + step, width),)
    return columns


@triton.jit
def row_of(image, row, height, width, columns):
    """Those columns of a row, mirrored at the edges too."""
    line = image + _mirrored(row, height) * width
    values = ()
    for column in tl.static_range(len(columns)):
        values += (tl.load(line + columns[column]),)
    return values


@triton.jit
def times(value, count: tl.constexpr):
    """As many of the same."""
    values = ()
    for _ in tl.static_range(count):
        values += (value,)
    return values


@triton.jit
def part(values, begin: tl.constexpr, count: tl.constexpr):
    """Some of the columns."""
    columns = ()
    for column in tl.static_range(count):
        columns += (values[begin + column],)
    return columns


@triton.jit
def five(a, b, c, d, e):
    """Five pixels blurred, times 16."""
    return a + e + 4 * (b + d) + 6 * c


@triton.jit
def empty_smooth(none):
    """What ``smooth_step`` keeps, before the first row."""
    empty = times(none, REACHED)
    return (empty, empty), (empty, empty, empty, empty)


@triton.jit
def smooth_step(row, smooth):
    """From row y + 2, 11 columns: row y of the same and of its blur (times 256)."""
    centres, across = smooth
    blurred = ()
    for column in tl.static_range(REACHED):
        blurred += (five(row[column], row[column + 1], row[column + 2], row[column + 3], row[column + 4]),)
    middle = ()
    for column in tl.static_range(REACHED):
        middle += (five(across[0][column], across[1][column], across[2][column], across[3][column], blurred[column]),)
    kept = (centres[1], part(row, 2, REACHED)), (across[1], across[2], across[3], blurred)
    return kept, centres[0], middle


@triton.jit
def residual(sharp, sharp_by: tl.constexpr, smooth, smooth_by: tl.constexpr):
    """Of each column ``sharp * sharp_by - smooth * smooth_by``."""
    band = ()
    for column in tl.static_range(REACHED):
        band += (sharp[column] * sharp_by - smooth[column] * smooth_by,)
    return band


@triton.jit
def within(band, x, width):
    """A partner to the right of the picture counts as 0."""
    inside = x + COLUMNS < width
    return part(band, 0, COLUMNS) + where(inside, part(band, COLUMNS, REACHED - COLUMNS))


@triton.jit
def where(inside, band):
    """The columns, or 0."""
    kept = ()
    for column in tl.static_range(len(band)):
        kept += (tl.where(inside, band[column], 0.0),)
    return kept


@triton.jit
def empty_above(none):
    """The two rows above a block, of which none counts for it."""
    return times(none, COLUMNS), times(none, COLUMNS)


@triton.jit
def measured(sums, band, above):
    """Sums of a band and its products, as ``training.grain`` orders them, with one row more; and the rows above."""
    plain, square, right, down, across, further, deeper, cube, fourth = sums
    for column in tl.static_range(COLUMNS):
        value = band[column]
        squared = value * value
        plain += value
        square += squared
        right += value * band[column + 1]
        further += value * band[column + 2]
        cube += squared * value
        fourth += squared * squared
    sums = plain, square, right, down, across, further, deeper, cube, fourth
    sums, _ = measured_below(sums, band, above)
    return sums, (part(band, 0, COLUMNS), above[0])


@triton.jit
def measured_below(sums, band, above):
    """The same of a row below the block: it is but the partner of those above."""
    plain, square, right, down, across, further, deeper, cube, fourth = sums
    for column in tl.static_range(COLUMNS):
        down += above[0][column] * band[column]
        across += above[0][column] * band[column + 1]
        deeper += above[1][column] * band[column]
    sums = plain, square, right, down, across, further, deeper, cube, fourth
    return sums, (times(tl.zeros_like(plain), COLUMNS), above[0])


@triton.jit
def store_half(image, picture, row, x, height, width, above, below, scale: tl.constexpr, real):
    """Means of 2 x 2. Five columns begin at an odd one in every second thread, whose neighbour has its first."""
    sums = ()
    for column in tl.static_range(COLUMNS + 1):
        sums += (above[column] + below[column],)
    odd = x % 2 == 1
    line = image + picture * (height // 2) * (width // 2) + row * (width // 2) + (x + 1) // 2
    tl.store(line, tl.where(odd, sums[1] + sums[2], sums[0] + sums[1]) * scale, real)
    tl.store(line + 1, tl.where(odd, sums[3] + sums[4], sums[2] + sums[3]) * scale, real)
    tl.store(line + 2, (sums[4] + sums[5]) * scale, real & (x % 2 == 0))


@triton.jit
def store_means(found, blocks, sums, count: tl.constexpr, side: tl.constexpr, real):
    """The sums of all threads of a block as means, a kind after the other."""
    for number in tl.static_range(count):
        tl.store(found + number * blocks, tl.sum(sums[number], 1, keep_dims=True) / (side * side), real)
