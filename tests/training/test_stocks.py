import json
from pathlib import Path

import numpy as np
import pytest

from training.data.darkroom.light import MID_GREY, to_light, to_picture
from training.data.darkroom.primaries import matching_functions, reflectances
from training.data.darkroom.reduce_curves import FILMS, reduce
from training.data.darkroom.stocks import CURVES, Stock, load_stocks

SHARED = Path(__file__).parents[3] / "shared" / "data" / "film_curves" / "films"

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


@pytest.mark.parametrize("stock", STOCKS.values(), ids=STOCKS)
def test_each_layer_sees_its_own_colour_most_and_grey_as_it_is(stock: Stock) -> None:
    assert stock.sensitivity.sum(axis=1) == pytest.approx(1.0, abs=2e-3)
    assert (stock.sensitivity >= 0).all()
    if not stock.monochrome:
        assert (stock.sensitivity.diagonal() > 0.75).all()
    grey = stock.expose(grey_ramp(MID_GREY))[0, 0]
    assert grey == pytest.approx(np.log10(10.0 / stock.iso), abs=1e-3)


def test_a_blue_light_exposes_the_green_layer_of_a_real_film_and_not_of_one_without_a_chart() -> None:
    blue = np.array([[[0.0, 0.0, 0.5]]], np.float32)
    for name, least, most in (("Portra 160", 0.15, 0.25), ("Fujicolor 100", 0.03, 0.1), ("Pro 400H", 0.0, 1e-4)):
        red, green, own = 10.0 ** STOCKS[name].expose(blue)[0, 0]
        assert least <= green / own <= most, name
        assert red < own / 10


def test_the_spectra_of_the_primaries_have_their_colours_and_make_white() -> None:
    surfaces = reflectances()
    assert surfaces.min() >= -1e-9
    assert surfaces.sum(axis=0) == pytest.approx(1.0, abs=1e-4)
    assert matching_functions() @ surfaces.T == pytest.approx(np.eye(3), abs=1e-4)
    peaks = surfaces.argmax(axis=1)
    assert peaks[0] > peaks[1] > peaks[2]


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the digitised curves in ../shared/data")
@pytest.mark.parametrize("stem", ["Portra400", "Pro400H"])
def test_the_shipped_numbers_are_what_the_source_gives(stem: str) -> None:
    record, chart = (SHARED / f"{stem}_{kind}.json" for kind in ("datasheet_curves", "spectral_sensitivity"))
    spectral = json.loads(chart.read_text()) if chart.is_file() else None
    shipped = json.loads((CURVES / f"{stem.lower()}.json").read_text())
    assert reduce(json.loads(record.read_text()), spectral, *FILMS[stem]) == shipped
