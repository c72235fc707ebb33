"""Locust runs headless against the real server and counts wrong answers as failures."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.pictures import SAMPLES
from loadtest.prepared import Prepared, prepare

ROOT = Path(__file__).parents[2]


def locust(user: str, host: str, pictures: Path, report: Path, *more: str) -> dict[str, str]:
    options = (
        f"--headless --only-summary -u 2 -r 2 -t 3s --stop-timeout 100 --host {host} --csv {report} {user}".split()
    )
    subprocess.run(
        [sys.executable, "-m", "locust", "-f", ROOT / "loadtest/locustfile.py", *options, *more],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PICTURES": str(pictures), "BATCH": "2"},
        capture_output=True,
        timeout=200,
        check=False,  # Locust exits with 1 when any request failed
    )
    with Path(f"{report}_stats.csv").open() as file:
        return next(row for row in csv.DictReader(file) if row["Name"] == "classify 2")


@pytest.mark.e2e
@pytest.mark.parametrize("user", ["GrpcUser", "HttpUser"])
def test_good_pictures_succeed(user: str, server: object, tmp_path: Path) -> None:
    host = server.grpc_url if user == "GrpcUser" else f"http://{server.http_url}"  # type: ignore[attr-defined]
    row = locust(user, host, ROOT / "samples", tmp_path / "report")
    assert int(row["Request Count"]) > 0
    assert int(row["Failure Count"]) == 0


@pytest.mark.e2e
def test_an_answer_without_a_verdict_is_a_failure(server: object, tmp_path: Path) -> None:
    wanted = prepare(SAMPLES / "digital", "", 0).expected[:1]
    Prepared([b"\xff\xd8\xff broken"], wanted).save(tmp_path / "prepared")
    prepared = f"--prepared={tmp_path / 'prepared'}"
    row = locust("GrpcUser", server.grpc_url, SAMPLES, tmp_path / "report", prepared)  # type: ignore[attr-defined]
    assert int(row["Failure Count"]) == int(row["Request Count"]) > 0
