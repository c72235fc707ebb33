"""The loop: list a group, download with several threads, judge in the order of the list, write down.

Only the judging is in one thread, and it goes by the order of the list, not of arrival: which of two alike pictures
is kept does not depend on the network, nor on how often a run was killed. At every moment one of these holds:

==================================  =========================  ================================================
on the disk                         in the record              the next run
==================================  =========================  ================================================
nothing, or ``.incoming/*.part``    nothing                    downloads
``.incoming/<name>.jpg``            nothing                    judges it, no download
``<label>/<name>.jpg``              nothing                    judges it again, to the same end, no download
``<label>/<name>.jpg``              kept                       passes over it
``.incoming/<name>.jpg``            why not kept               deletes it
nothing                             why not kept               passes over it
==================================  =========================  ================================================
"""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from training.data.flickr.api import Flickr
from training.data.flickr.duplicates import Seen
from training.data.flickr.errors import GroupRefused, Reason, Refused, Transient, Unreachable
from training.data.flickr.fetch import INCOMING, PART, Fetcher, Picture
from training.data.flickr.licences import Licence
from training.data.flickr.photo import Photo, choose
from training.data.flickr.plan import Group, Outcome, Plan, Watch
from training.data.flickr.record import Record
from training.data.flickr.walk import walk

WINDOW = 4
"""Pictures under way for each thread: enough that none is idle while the oldest is waited for."""
HOPELESS = 20
"""Failures in a row after which the run ends. Each has been tried several times before it counts."""


@dataclass(frozen=True)
class _Wanted:
    """A picture to download: where to, in which size, and from where."""

    photo: Photo
    file: str
    size: str
    url: str


class Collector:
    """Carries out a plan; keeps ``outcome`` true at any moment, also when an exception ends it."""

    def __init__(
        self,
        plan: Plan,
        flickr: Flickr,
        fetcher: Fetcher,
        record: Record,
        licences: Mapping[str, Licence],
        stop: Event,
        watch: Watch,
        outcome: Outcome,
    ) -> None:
        """``licences`` by id; ``stop`` is set when the run ends early, so that no thread goes on waiting."""
        self.plan = plan
        self.outcome = outcome
        self._flickr = flickr
        self._fetcher = fetcher
        self._record = record
        self._licences = licences
        self._stop = stop
        self._watch = watch
        self._failed_in_a_row = 0
        self._listed = 0
        self._pool = 0
        self._kept = {group: record.kept(group.id) for group in plan.groups}
        self._seen = Seen()
        for file, phash in record.hashes():
            self._seen.add(file, phash)

    def run(self) -> None:
        """Collect every group. Raises BadKey, Unreachable, and Transient where Flickr's lists cannot be had."""
        for group in self.plan.groups:
            (self.plan.out / group.label).mkdir(parents=True, exist_ok=True)
        self._tidy()
        with ThreadPoolExecutor(self.plan.threads, thread_name_prefix="fetch") as pool:
            try:
                for group in self.plan.groups:
                    self._collect(group, pool)
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _collect(self, group: Group, pool: ThreadPoolExecutor) -> None:
        if self._room(group) <= 0:
            return
        waiting: deque[tuple[_Wanted, Future[Picture]]] = deque()
        try:
            for wanted in self._wanted(group):
                # Never more under way than the limit still allows: nothing is downloaded to be thrown away.
                while waiting and len(waiting) >= min(WINDOW * self.plan.threads, self._room(group)):
                    self._judge(group, *waiting.popleft())
                if self._room(group) <= 0:
                    return
                waiting.append((wanted, pool.submit(self._fetcher.fetch, wanted.url, self._place(wanted.file))))
        except GroupRefused as error:
            self.outcome.problems.append(str(error))
        while waiting:
            self._judge(group, *waiting.popleft())

    def _room(self, group: Group) -> float:
        """How many more pictures the group may get."""
        return float("inf") if self.plan.limit is None else self.plan.limit - self._kept[group]

    def _wanted(self, group: Group) -> Iterator[_Wanted]:
        """What is to be downloaded of a group, in the order of its pool."""
        self._listed = 0
        for page in walk(lambda number: self._flickr.page(group.id, number)):
            self._pool = page.total
            for photo in page.photos:
                self._listed += 1
                file = f"{group.label}/{photo.name}.jpg"
                try:
                    if not self._known(group, photo):
                        yield _Wanted(photo, file, *self._choose(photo))
                except Refused as refusal:
                    self._skip(group, photo, file, refusal)
                except Transient as error:
                    self._fail(photo, error)
                self._tell(group)

    def _known(self, group: Group, photo: Photo) -> bool:
        """Whether an earlier run, or an earlier group, has settled the picture."""
        settled = self._record.settled(photo.id)
        if settled is None:
            return False
        if settled.label == group.label:
            self.outcome.known += 1
        else:
            self.outcome.skipped[Reason.OTHER_LABEL] += 1
        return True

    def _choose(self, photo: Photo) -> tuple[str, str]:
        """Size and address to download. Raises Refused, Transient."""
        if self.plan.licences is not None and photo.licence_id not in self.plan.licences:
            raise Refused(Reason.LICENCE, photo.licence_id)
        if photo.media != "photo":
            raise Refused(Reason.VIDEO)
        urls = photo.urls if photo.complete or photo.urls else self._flickr.sizes(photo)
        choice = choose(urls, self.plan.size)
        if choice is None:
            raise Refused(Reason.NO_SIZE)
        return choice

    def _judge(self, group: Group, wanted: _Wanted, coming: Future[Picture]) -> None:
        """Decide on a picture, put it into its place or away, and write that down, in an order that survives a kill."""
        try:
            picture = coming.result()
            if twin := self._seen.find(picture.phash):
                raise Refused(Reason.DUPLICATE, twin)
        except Refused as refusal:
            self._skip(group, wanted.photo, wanted.file, refusal)
            return
        except Transient as error:
            self._fail(wanted.photo, error)
            return
        self._failed_in_a_row = 0
        picture.path.replace(self._place(wanted.file))
        self._record.keep(wanted.photo.id, group.id, self._values(group, wanted, picture))
        self._seen.add(wanted.file, picture.phash)
        self._kept[group] += 1
        self.outcome.kept[group.label] += 1
        self._tell(group)

    def _skip(self, group: Group, photo: Photo, file: str, refusal: Refused) -> None:
        self._failed_in_a_row = 0
        self._record.skip(photo.id, group.id, refusal.reason, refusal.detail, {"file": file, "label": group.label})
        for path in (self._place(file), self._fetcher.incoming(self._place(file))):
            path.unlink(missing_ok=True)
        self.outcome.skipped[refusal.reason] += 1

    def _fail(self, photo: Photo, error: Transient) -> None:
        self.outcome.failures.append(f"{photo.page}: {error}")
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= HOPELESS:
            raise Unreachable(f"{HOPELESS} pictures in a row could not be had; the last: {error}")

    def _tell(self, group: Group) -> None:
        self._watch(group, self._listed, self._kept[group], self._pool)

    def _place(self, file: str) -> Path:
        return self.plan.out / file

    def _values(self, group: Group, wanted: _Wanted, picture: Picture) -> dict[str, str]:
        """The row of the manifest."""
        photo = wanted.photo
        licence = self._licences.get(photo.licence_id, Licence(photo.licence_id, "unknown", ""))
        return {
            "file": wanted.file,
            "label": group.label,
            "label_basis": f"Flickr group {group.id}",
            "source": f"www.flickr.com/photos/{photo.owner}",
            "path": photo.id,
            "licence": licence.name,
            "width": str(picture.width),
            "height": str(picture.height),
            "device": picture.device,
            "licence_id": licence.id,
            "licence_url": licence.url,
            "owner": photo.owner,
            "owner_name": photo.owner_name,
            "title": photo.title,
            "url": wanted.url,
            "size": wanted.size,
            "taken": photo.taken,
            "sha256": picture.sha256,
            "phash": picture.phash,
        }

    def _tidy(self) -> None:
        """Delete what a killed run has left behind: half-written files, and pictures that were already refused."""
        for part in (self.plan.out / INCOMING).glob(f"*{PART}"):
            part.unlink()
        for path in self.plan.out.glob("*/*.jpg"):
            settled = self._record.settled(path.stem.rpartition("_")[2])
            ours = settled is not None and Path(settled.file).name == path.name
            if settled and ours and (path.parent.name == INCOMING or not settled.kept):
                path.unlink()
