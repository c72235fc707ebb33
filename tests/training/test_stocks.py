import numpy as np
import pytest

from training.data.darkroom.light import MID_GREY, to_light, to_picture
from training.data.darkroom.stocks import Stock, load_stocks

STOCKS = load_stocks()
COLOUR = [stock for stock in STOCKS.values() if not stock.monochrome]


def grey_ramp(*levels: float) -> np.ndarray:
    return np.repeat(np.array(levels, np.float32)[None, :, None], 3, axis=2)


def test_every_code_survives_the_trip_to_light_and_back() -> None:
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(to_picture(to_light(codes)), codes)


def test_mid_grey_is_where_photographers_put_it() -> None:
    assert to_picture(np.array([MID_GREY], np.float32))[0] == pytest.approx(118, abs=1)


@pytest.mark.parametrize("stock", STOCKS.values(), ids=STOCKS)
def test_more_light_is_never_less_dense(stock: Stock) -> None:
    ramp = grey_ramp(*np.geomspace(1e-5, 50, 200))
    density = stock.density(stock.expose(ramp))
    assert (np.diff(density, axis=1) >= 0).all()
    assert (density[0, -1] - density[0, 0] > 0.9).all()


@pytest.mark.parametrize("stock", STOCKS.values(), ids=STOCKS)
def test_no_light_leaves_the_base_and_a_metered_grey_a_printable_density(stock: Stock) -> None:
    dark, grey = stock.density(stock.expose(grey_ramp(0.0, MID_GREY)))[0]
    assert dark == pytest.approx(stock.base, abs=0.02)
    assert (grey - stock.base > 0.3).all()
    assert (grey - stock.base < 1.2).all()


@pytest.mark.parametrize("stock", STOCKS.values(), ids=STOCKS)
def test_overexposure_is_denser_than_underexposure(stock: Stock) -> None:
    grey = grey_ramp(MID_GREY)
    under, over = (stock.density(stock.expose(grey, stops)) for stops in (-2.0, 2.0))
    assert (over - under > 0.4).all()


@pytest.mark.parametrize("stock", COLOUR, ids=lambda stock: stock.name)
def test_the_base_of_a_colour_negative_is_orange(stock: Stock) -> None:
    red, green, blue = 10.0**-stock.base
    assert red > green > blue


def test_a_black_and_white_film_gives_one_density_for_all_channels() -> None:
    stock = STOCKS["Black and white"]
    light = np.random.default_rng(0).random((4, 5, 3), dtype=np.float32)
    density = stock.density(stock.expose(light))
    assert np.array_equal(density[..., 0], density[..., 1])
    assert np.array_equal(density[..., 0], density[..., 2])
    assert np.ptp(density) > 0.1
