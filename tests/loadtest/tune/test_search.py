"""The search on machines that are known, because they are functions; and what it keeps of a stopped one."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION
from loadtest.tune.contest import Plan
from loadtest.tune.journal import Journal, JournalError
from loadtest.tune.knobs import DEFAULT, Choice, Knob, Setting, knobs, named, turned
from loadtest.tune.report import overlay_text, rows
from loadtest.tune.search import Comparison, Found, OutOfTime, search
from serving.composed import patched, read_configs, value_of
from serving.overlay import Overlay, read_overlay
from serving.settings import DEFAULT_REPOSITORY, PROFILES

MODELS = (FILM_ORIGIN.name, NEGATIVE_CONDITION.name)
PLAN = Plan("cpu", "auto", MODELS, "throughput", 0.0, 4, 8, 5.0, 3)
GRID = [
    Knob("pre", tuple(Choice((("instances", value),)) for value in (None, 1, 3, 4))),
    Knob("net", tuple(Choice((("streams", value),)) for value in (None, 1, 3))),
    Knob("net", tuple(Choice((("queue_delay_us", value),)) for value in (None, 500, 2000))),
]
Speed = Callable[[Setting], float]


class Machine:
    """Pictures/s by setting, each measurement off by up to ``noise``."""

    def __init__(self, speed: Speed, noise: float = 0.0, seed: int = 0, broken: str = "") -> None:
        self.speed, self.noise, self.chance, self.broken = speed, noise, random.Random(seed), broken
        self.met: list[tuple[str, str, str]] = []

    def meet(self, incumbent: Setting, challenger: Setting, attempt: str, last: bool = False) -> Comparison:
        names = named(incumbent), named(challenger)
        self.met.append((*names, attempt))
        if self.broken and self.broken in names[1]:
            return Comparison(*names, attempt, failure="it did not start")
        reached = [(self.once(incumbent), self.once(challenger)) for _ in range(5)]
        return Comparison(*names, attempt, tuple(reached), tuple(ours / theirs for theirs, ours in reached))

    def once(self, setting: Setting) -> float:
        return self.speed(setting) * (1 + self.chance.uniform(-self.noise, self.noise))


def best_with_three_and_one(setting: Setting) -> float:
    """Three processes are worth a fifth, and one stream a tenth, but that only with three processes."""
    three = setting.get("pre", {}).get("instances") == 3
    one = setting.get("net", {}).get("streams") == 1
    return 50.0 * (1.2 if three else 1.0) * ((1.1 if three else 0.8) if one else 1.0)


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("order", [1, -1])
def test_the_best_setting_is_found_whatever_is_tried_first(noise: float, order: int) -> None:
    found = search(GRID[::order], Machine(best_with_three_and_one, noise).meet, 0.02)
    assert found.best == {"pre": {"instances": 3}, "net": {"streams": 1}}
    assert found.finished
    assert found.proof is not None
    assert found.proof.gain == pytest.approx(0.32, abs=0.05)


def test_chance_hardly_ever_changes_anything() -> None:
    found = [search(GRID, Machine(lambda _: 50.0, noise=0.1, seed=seed).meet, 0.02) for seed in range(100)]
    assert sum(one.best != DEFAULT for one in found) <= 2


@pytest.mark.parametrize(
    ("ratios", "better"),
    [
        ((1.10, 1.11, 1.09, 1.10, 1.10), True),
        ((1.10, 1.11, 0.50, 1.10, 1.10), True),  # one round in which the machine did something else
        ((1.02, 1.01, 1.02, 1.02, 1.01), False),  # less than the margin
        ((1.60, 0.70, 1.10, 0.90, 1.30), False),  # more, but the rounds differ by more than that
        ((0.80, 0.80), False),
        ((), False),
    ],
)
def test_better_is_by_more_than_the_rounds_differ(ratios: tuple[float, ...], better: bool) -> None:
    assert Comparison("a", "b", "first", ratios=ratios).better(0.03) is better
    assert not Comparison("a", "b", "first", ratios=ratios, failure="wrong answers").better(0.03)


def test_what_is_better_by_less_than_the_margin_is_left() -> None:
    machine = Machine(lambda setting: 50.5 if setting else 50.0)
    assert search(GRID, machine.meet, 0.02).best == DEFAULT
    assert search(GRID, Machine(machine.speed).meet, 0.005).best != DEFAULT


def test_a_setting_that_fails_is_passed_over() -> None:
    found = search(GRID, Machine(best_with_three_and_one, broken="instances=3").meet, 0.02)
    assert found.best == DEFAULT
    assert found.finished


def test_the_profile_stays_where_the_winner_loses_the_last_meeting() -> None:
    class Fickle(Machine):
        def meet(self, incumbent: Setting, challenger: Setting, attempt: str, last: bool = False) -> Comparison:
            if last:
                self.speed = lambda _: 50.0
            return super().meet(incumbent, challenger, attempt)

    found = search(GRID, Fickle(best_with_three_and_one).meet, 0.02)
    assert found.kept
    assert found.best == DEFAULT


def test_no_two_settings_meet_twice() -> None:
    machine = Machine(best_with_three_and_one)
    search(GRID, machine.meet, 0.02)
    assert len(machine.met) == len(set(machine.met))


def test_a_stopped_search_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = Machine(best_with_three_and_one)
    expected = search(GRID, whole.meet, 0.02)
    file, met = tmp_path / "measurements.json", []
    for _ in range(len(whole.met)):
        machine, left = Machine(best_with_three_and_one), [3]

        def meet(*told: object, machine: Machine = machine, left: list[int] = left) -> Comparison:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return machine.meet(*told)  # type: ignore[arg-type]

        try:
            found = search(GRID, Journal(file, {"seconds": 5}).compare(meet, 60), 0.02)
        except KeyboardInterrupt:
            found = Found()
        met += machine.met
        if found.finished:
            break
    assert found == expected
    assert met == whole.met


def test_the_journal_of_another_search_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "measurements.json"
    search(GRID, Journal(file, {"seconds": 5, "mix": "small"}).compare(Machine(best_with_three_and_one).meet, 60), 0.02)
    Journal(file, {"seconds": 5, "mix": "small"})
    with pytest.raises(JournalError, match="another mix: name another --out"):
        Journal(file, {"seconds": 5, "mix": "scan"})


def test_what_another_search_was_told_is_named_whichever_of_the_two_was_told_it(tmp_path: Path) -> None:
    file = tmp_path / "measurements.json"
    search(GRID, Journal(file, {"seconds": 5, "mix": "small"}).compare(Machine(best_with_three_and_one).meet, 60), 0.02)
    with pytest.raises(JournalError, match="another commit, mix: name another --out, or begin anew with --fresh"):
        Journal(file, {"seconds": 5, "commit": "abc"})


@pytest.mark.parametrize("content", ['{"plan": {', "[]", '{"plan": {}, "last": "", "comparisons": [{}]}'])
def test_a_broken_journal_says_which_file_to_delete(content: str, tmp_path: Path) -> None:
    file = tmp_path / "measurements.json"
    file.write_text(content)
    with pytest.raises(JournalError, match=rf"{file} is broken .*: delete it, or begin anew with --fresh"):
        Journal(file, {})


def test_a_search_that_is_played_back_is_known_as_one(tmp_path: Path) -> None:
    file = tmp_path / "measurements.json"
    first = Journal(file, {})
    assert (first.new, first.last) == (0, "")
    search(GRID, first.compare(Machine(best_with_three_and_one).meet, 60), 0.02)
    today = datetime.now(UTC).date().isoformat()
    assert (first.new, first.last) == (len(first.made), today)
    file.write_text(file.read_text().replace(today, "2026-01-02"))
    again, idle = Journal(file, {}), Machine(best_with_three_and_one)
    search(GRID, again.compare(idle.meet, 60), 0.02)
    assert idle.met == []
    assert (again.new, again.last, again.made) == (0, "2026-01-02", first.made)


def test_without_time_only_the_noise_is_measured_and_the_profile_stays(tmp_path: Path) -> None:
    machine = Machine(best_with_three_and_one)
    found = search(GRID, Journal(tmp_path / "m.json", {}).compare(machine.meet, 0), 0.02)
    assert [attempt for *_, attempt in machine.met] == ["noise"]
    assert (found.best, found.finished) == (DEFAULT, False)


def test_time_runs_out_only_before_the_proof() -> None:
    machine, left = Machine(best_with_three_and_one), [6]

    def meet(incumbent: Setting, challenger: Setting, attempt: str, last: bool) -> Comparison:
        left[0] -= 1
        if left[0] < 0 and not last:
            raise OutOfTime
        return machine.meet(incumbent, challenger, attempt)

    found = search(GRID, meet, 0.02)
    assert found.best == {"pre": {"instances": 3}}
    assert not found.finished
    assert machine.met[-1][2] == "proof"


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize("cores", [1, 2, 8])
def test_every_position_of_every_knob_fits_the_profile(profile: object, cores: int) -> None:
    configs = read_configs(DEFAULT_REPOSITORY, profile.config_name)  # type: ignore[attr-defined]
    grid = knobs(configs, MODELS, cores)
    assert grid
    for knob in grid:
        settings = [turned(DEFAULT, knob, choice) for choice in knob.choices]
        assert settings[0] == DEFAULT, "the first is the profile's own"
        assert len({named(setting) for setting in settings}) == len(settings)
        for setting in settings[1:]:
            changed = patched(configs, Overlay(setting))
            assert any(
                value_of(changed[knob.model], key) != value_of(configs[knob.model], key) for key in setting[knob.model]
            )
            assert turned(setting, knob, knob.choices[0]) == DEFAULT


@pytest.mark.parametrize(("profile", "turnable"), [("cuda", set(MODELS)), ("", set())])
def test_the_host_s_threads_of_a_model_on_a_device_are_turned(profile: str, turnable: set[str]) -> None:
    grid = knobs(read_configs(DEFAULT_REPOSITORY, profile), MODELS, 16)
    turned_alone = {
        knob.model: [choice.values[0][1] for choice in knob.choices]
        for knob in grid
        if knob.choices[0].values == (("threads", None),)
    }
    assert turned_alone == {model: [None, 2, 6, 8, 16] for model in turnable}


def test_the_report_is_an_overlay_with_the_measurements_in_it(tmp_path: Path) -> None:
    def speed(setting: Setting) -> float:
        return 60.0 if setting.get(FILM_ORIGIN.network_model, {}).get("streams") == 1 else 50.0

    configs = read_configs(DEFAULT_REPOSITORY, "")
    journal = Journal(tmp_path / "m.json", {})
    machine = Machine(speed, broken="instances=4")
    found = search(knobs(configs, MODELS, 2), journal.compare(machine.meet, 60), 0.02)
    text = overlay_text(PLAN, {"cores": 2}, journal.made, found)
    (tmp_path / "safelight.toml").write_text(text)
    assert read_overlay(tmp_path) == Overlay({FILM_ORIGIN.network_model: {"streams": 1}}, "cpu")
    assert "60 pictures/s against 50 pictures/s, +20.0% ± 0.0%, better" in text
    assert "it did not start" in text
    assert len(rows(PLAN, journal.made, found)) == len(machine.met)


def test_better_means_more_pictures_or_shorter_waits() -> None:
    assert PLAN.ratio(50, 60) == pytest.approx(1.2)
    waits = Plan("cpu", "auto", MODELS, "p99", 10.0, 4, 8, 5.0, 3)
    assert waits.ratio(120, 100) == pytest.approx(1.2)
    assert waits.ratio(100, float("inf")) == 0
