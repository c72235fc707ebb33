"""How many processors there are in a container, by the files that the kernel shows there."""

import os
from pathlib import Path

import pytest

from film.processors import usable

HERE = len(os.sched_getaffinity(0))


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    """Where control groups are mounted, and beside it what the kernel says of a process."""
    (tmp_path / "self").mkdir()
    (tmp_path / "groups").mkdir()
    return tmp_path / "groups"


def seen(groups: Path, own: str, root: str = "/", kind: str = "cgroup2", options: str = "rw,nsdelegate") -> int:
    """What a process finds that is in the group ``own``, where ``root`` is mounted at ``groups``."""
    process = groups.parent / "self"
    process.joinpath("cgroup").write_text(own)
    process.joinpath("mountinfo").write_text(
        "22 1 0:21 / /proc rw,nosuid - proc proc rw\n"
        f"31 23 0:28 {root} {groups} rw,relatime shared:4 - {kind} cgroup {options}\n"
    )
    return usable(process)


def limit(group: Path, text: str) -> None:
    group.mkdir(parents=True, exist_ok=True)
    (group / "cpu.max").write_text(f"{text}\n")


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 64 cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))


@pytest.mark.parametrize(
    ("quota", "count"),
    [
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("20000 100000", 1),
        ("max 100000", 64),
        ("9900000 100000", 64),
        ("nonsense", 64),
        ("", 64),
    ],
)
def test_a_container_s_quota_counts(groups: Path, quota: str, count: int) -> None:
    limit(groups, quota)
    assert seen(groups, "0::/\n") == count


def test_the_quota_of_a_group_around_it_counts_too(groups: Path) -> None:
    limit(groups / "system.slice" / "safelight.service", "800000 100000")
    limit(groups / "system.slice", "300000 100000")
    limit(groups / "user.slice", "100000 100000")
    assert seen(groups, "0::/system.slice/safelight.service\n") == 3


def test_a_group_that_cannot_be_seen_limits_nothing(groups: Path) -> None:
    limit(groups.parent, "100000 100000")  # beyond what is mounted
    assert seen(groups, "0::/../elsewhere\n") == 64
    assert seen(groups, "0::/nowhere\n") == 64


V1 = {"kind": "cgroup", "options": "rw,cpu,cpuacct"}
OWN = "5:memory:/docker/1a\n4:cpu,cpuacct:/docker/1a\n0::/\n"


@pytest.mark.parametrize(("quota", "count"), [(250_000, 3), (-1, 64)])
@pytest.mark.parametrize("root", ["/docker/1a", "/"])
def test_so_does_that_of_the_older_kind_of_groups(groups: Path, root: str, quota: int, count: int) -> None:
    """In a container only its own group is mounted, though the kernel calls it by the name that it has outside."""
    group = groups if root != "/" else groups / "docker" / "1a"
    group.mkdir(parents=True, exist_ok=True)
    (group / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert seen(groups, OWN, root, **V1) == count
    assert seen(groups, OWN, root, kind="cgroup", options="rw,memory") == 64, "another controller's"
    assert seen(groups, OWN, "/docker/2b", **V1) == 64, "another container's"


def test_without_control_groups_it_is_what_the_process_may_run_on(tmp_path: Path) -> None:
    assert usable(tmp_path) == 64


def test_this_machine_has_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 1 <= usable() <= HERE
