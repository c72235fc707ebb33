"""``safelight explain``."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import click

from film.specs import NEGATIVE_CONDITION
from safelight.asking import server_errors, server_options
from safelight.files import DEFECTS_ENDING, EXPLAINED_ENDING, POSITIVE_ENDING, files_argument, find_pictures
from safelight.writing import Existing, Made, Written, end, output_options, tell, write_each

if TYPE_CHECKING:
    from client import Client, Explanation, Prediction

    Answer = TypeVar("Answer", Explanation, Prediction)

_EPILOG = """\b
Examples:
  safelight explain holiday.jpg -o explained
  safelight explain --defects roll-12/ -o explained

\b
Exit codes: 0 all pictures were written, 1 some had errors, 2 the command was not
understood, 3 no server answers or it does not answer as it should,
74 the folder takes nothing more (a full disk), 130 stopped with Ctrl-C.
"""


@click.command(epilog=_EPILOG)
@files_argument
@output_options
@click.option("--defects", is_flag=True, help="Of negatives: where each defect is that the server names.")
@server_options
def explain(
    files: tuple[Path, ...], out: Path, existing: Existing, as_json: bool, defects: bool, url: str, timeout: float
) -> None:
    """Show where in a picture a verdict comes from.

    FILES are pictures (of a TIFF with several pages, the first) or folders, which are searched with their subfolders;
    what is passed over there is told. scan.jpg becomes scan_explained.jpg in the
    folder of --out: the picture under its map of where film shows, from blue (not at all) to yellow (the most in this
    picture), with the verdict below. In a picture taken for digital, yellow is only what comes nearest to film.

    With --defects, scan.jpg becomes scan_defects.jpg: the negative, and beside it a map of each defect that it has,
    from blue (impossible) to yellow (certain). Existing files are left alone and counted as errors, unless
    --force or --skip-existing is given.
    """
    made_before = (EXPLAINED_ENDING, DEFECTS_ENDING)
    pictures = find_pictures(files, skip=(*made_before, POSITIVE_ENDING) if defects else made_before)
    write = write_defects if defects else write_explanations
    with server_errors():
        from client import Client

        with Client(url, timeout=timeout) as client:
            well = tell(write(client, pictures, out, existing), len(pictures), "Explaining", as_json=as_json)
    end(well)


def write_explanations(client: "Client", pictures: Sequence[Path], out: Path, existing: Existing) -> Iterator[Written]:
    """Draw each picture under its heat map into ``out``; say of each, in order, what became of it."""
    draw = _drawing().draw_explanation
    return write_each(
        pictures, out, EXPLAINED_ENDING, lambda paths: _drawn(paths, client.iter_explain(paths), draw), existing
    )


def write_defects(client: "Client", negatives: Sequence[Path], out: Path, existing: Existing) -> Iterator[Written]:
    """Draw each negative and the maps of its defects into ``out``; say of each, in order, what became of it."""
    draw, models = _drawing().draw_defects, [NEGATIVE_CONDITION.name]
    return write_each(
        negatives,
        out,
        DEFECTS_ENDING,
        lambda paths: _drawn(paths, client.iter_classify(paths, models), draw),
        existing,
    )


def _drawing() -> ModuleType:
    try:
        from safelight import drawing
    except ImportError as error:
        raise click.UsageError(f"drawing needs {error.name}, which is not installed: pip install pillow") from error
    return drawing


def _drawn(paths: list[Path], answers: "Iterator[Answer]", draw: "Callable[[bytes, Answer], bytes]") -> Iterator[Made]:
    from film.errors import ImageError

    for path, answer in zip(paths, answers, strict=True):
        if answer.error:
            yield b"", answer.error
            continue
        try:
            yield draw(path.read_bytes(), answer), None
        except (ImageError, OSError) as error:  # it was there and good when the server was asked
            yield b"", f"cannot be drawn: {error}"
