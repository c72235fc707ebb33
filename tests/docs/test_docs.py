"""What the documents tell people to type exists and works."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from safelight.cli import main
from serving.overlay import KEYS, parse_overlay

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
README = (ROOT / "README.md").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands(program: str) -> list[list[str]]:
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith(program + " ")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)", document.read_text())
    missing = [t for t in targets if not t.startswith("http") and not (document.parent / t).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    named = set(re.findall(r"`make ([a-z-]+)", document.read_text()))
    assert named <= TARGETS


def test_readme_types_only_make_targets_that_exist() -> None:
    assert {"run", "test"} <= {arguments[0] for arguments in commands("make")} <= TARGETS


@pytest.mark.parametrize("arguments", commands("safelight"), ids=" ".join)
def test_readme_types_only_options_that_exist(arguments: list[str]) -> None:
    context = click.Context(main)
    command = main.get_command(context, arguments[0])
    assert command is not None
    plain = [argument for argument in arguments[1:] if argument != ">" and not argument.endswith(".jsonl")]
    command.make_context(arguments[0], plain, resilient_parsing=True)
    known = {option for parameter in command.params for option in parameter.opts}
    assert {argument for argument in plain if argument.startswith("-")} <= known


def test_make_help_lists_every_target() -> None:
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert TARGETS - {"help"} <= {line.split()[1] for line in shown.splitlines()}


@pytest.mark.e2e
@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_readme_python_runs(number: int, server: object) -> None:
    code = blocks("python")[number].replace("localhost:8001", server.grpc_url)  # type: ignore[attr-defined]
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert re.search(r"digital|film", done.stdout)


@pytest.mark.e2e
def test_readme_curl_runs(server: object) -> None:
    [script] = [block for block in blocks("bash") if "curl" in block]
    address = server.http_url.removeprefix("http://")  # type: ignore[attr-defined]
    script = script.replace("localhost:8000", address)
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert '"name":"SCORES","datatype":"FP32","shape":[1,2],"data":[' in done.stdout


def test_the_settings_of_a_machine_are_described_as_they_are() -> None:
    text = (ROOT / "docs" / "overlay.md").read_text()
    rows = re.findall(r"^\| (`.*?`) \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    spans = {key.name: "true, false" if key.truth else f"{key.low:,}, {key.high:,}" for key in KEYS.values()}
    assert rows == [(f"`{key.name}`", spans[key.name], key.summary) for key in KEYS.values()]
    examples = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert [parse_overlay(tomllib.loads(example)).profile for example in examples] == ["cpu", "cuda"]
