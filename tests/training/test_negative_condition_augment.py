import torch

from film.specs import DEFECTS, NEGATIVE_CONDITION
from training.negative_condition_augment import augment, quarter, rephotograph
from training.negative_condition_data import PLACES

SIZE = NEGATIVE_CONDITION.size


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_rephotographing_changes_little_and_is_seeded() -> None:
    ramp = torch.linspace(0, 255, SIZE).to(torch.uint8)
    pixels = ramp[None, :, None, None].expand(16, SIZE, SIZE, 3).contiguous()
    one, same, other = (rephotograph(pixels, seeded(seed)) for seed in (1, 1, 2))
    assert one.shape == pixels.shape
    assert one.dtype == torch.uint8
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert 0 < (one.float() - pixels.float()).abs().mean() < 4


def test_quarters_keep_pixels_and_places_together() -> None:
    cells = torch.arange(PLACES**2, dtype=torch.uint8).view(PLACES, PLACES)
    side = SIZE / PLACES
    row = (torch.arange(SIZE) / side).long()
    pixels = cells[row][:, row, None].expand(-1, -1, 3)
    places = torch.zeros(5, len(DEFECTS), PLACES, PLACES, dtype=torch.bool)
    places[:, 0] = cells % 2 == 0
    cut, where = quarter(pixels.expand(5, -1, -1, -1), places, seeded(0))
    assert cut.shape == (5, SIZE // 2, SIZE // 2, 3)
    half = PLACES // 2
    assert where.shape == (5, len(DEFECTS), half, half)
    centres = ((torch.arange(half) + 0.5) * side).long()
    middles = cut[:, centres][:, :, centres, 0]
    assert torch.equal(middles % 2 == 0, where[:, 0])
    assert len(torch.unique(middles[:, 0, 0])) > 1, "every quarter was cut at the same corner"


def test_augmenting_turns_pixels_and_places_alike() -> None:
    places = torch.zeros(1, len(DEFECTS), 8, 8)
    places[0, 0, 1, 2] = 1
    pixels = places[:, :1].repeat(1, 3, 4, 4).clone()
    pixels[:] = torch.nn.functional.interpolate(places[:, :1], scale_factor=4).repeat(1, 3, 1, 1)
    seen = set()
    for seed in range(30):
        turned, where = augment(pixels, places, seeded(seed))
        assert torch.equal(turned[0, 0, ::4, ::4] > 0.4, where[0, 0] > 0)
        seen.add(tuple(where[0, 0].nonzero()[0].tolist()))
    assert len(seen) == 8
