"""A whole run: pictures, files and environments made ready, the rounds, and the report."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from loadtest import expected, pictures
from loadtest.peers import report
from loadtest.peers.environments import FOLDER
from loadtest.peers.measure import Pictures, written
from loadtest.peers.prepared import prepare
from loadtest.peers.runner import OutOfTime, Plan, Runner, conditions, install
from loadtest.peers.store import Store
from loadtest.peers.summary import summarise

FAILED, OUT_OF_TIME = 1, 3
"""Exit codes."""


def run(plan: Plan, count: int, mix: str, out: Path, console: Console, folder: Path = FOLDER) -> int:
    """Measure ``plan`` with ``count`` pictures of ``mix``, and report to ``out``; the exit code.

    Environments and exported files go to ``folder``. Raises SafelightError where it cannot begin or go on.
    """
    with console.status("making the pictures and their right answers"):
        blobs = pictures.make(pictures.mix(mix), count)
        right = expected.expect(blobs, [spec.name for spec in plan.models])
    # a peer answers with the first output alone, so all are held to that
    truth = {spec.name: [one.outputs[spec.name][spec.outputs[0].name] for one in right] for spec in plan.models}
    with console.status("making the files to serve"):
        files = {}
        for spec in plan.models:
            needed = {runtime for place, _, runtime in plan.places if place == spec}
            files[spec.name] = prepare(spec, sorted(needed), folder / "models")
    with console.status("installing") as status:
        pythons, failures = install(plan.peers, status.update, folder)
    sent_pictures = {"count": count, "mix": mix, "digest": pictures.digest(blobs)}
    store = Store(out / "peers.json", conditions(plan, files, sent_pictures, folder))
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    over = ""
    with written(blobs) as sent, Progress(*columns, console=console) as progress:
        steps = len(plan.places) * (plan.rounds + plan.tune)
        task = progress.add_task("measuring", total=steps)
        runner = Runner(
            plan,
            store,
            files,
            Pictures(blobs, sent, truth),
            out / "logs",
            pythons,
            failures,
            lambda text: progress.update(task, description=text),
            lambda: progress.advance(task),
        )
        try:
            runner.run()
        except OutOfTime as error:
            over = str(error)
    _report(store, plan, out, console)
    if over:
        console.print(over)
        return OUT_OF_TIME
    return FAILED if any(cell.error for cell in store.cells) else 0


def _report(store: Store, plan: Plan, out: Path, console: Console) -> None:
    rows = summarise(store.cells)
    page = report.markdown(rows, store.tuned, store.plan, plan.peers)
    out.mkdir(parents=True, exist_ok=True)
    (out / "peers.md").write_text(page, encoding="utf-8")
    report.plot(rows, [spec.name for spec in plan.models], plan.peers, out / "peers.png")
    console.print(page, markup=False)
    console.print(f"Written to {out}: peers.md, peers.json, peers.png and logs/", markup=False)
