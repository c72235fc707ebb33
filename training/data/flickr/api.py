"""Flickr's REST interface, through flickrapi: what we ask, and its errors as sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flickrapi
import requests

from training.data.flickr.errors import BadChoice, BadKey, CollectorError, GroupRefused, Reason, Refused, Transient
from training.data.flickr.licences import Licence
from training.data.flickr.patience import Pace, Patience, persist
from training.data.flickr.photo import EXTRAS, SIZES, Photo
from training.data.flickr.web import check_for_later, session

PAGE = 500
"""Pictures in an answer; Flickr gives no more."""
CALLS_AN_HOUR = 3600
"""What Flickr allows a key (flickr.com/services/developer/api, "Limits")."""
_KEY_CODES = range(95, 101)
"""95 SSL needed, 96 invalid signature (the secret), 97 no signature, 98 and 99 not logged in, 100 invalid key."""
_PASSING_CODES = (0, 105, 106, 201)
"""105 service unavailable, 106 operation failed; 0 and 201 come with the same words on bad days."""
_NOT_FOUND, _NO_PERMISSION = 1, 2


class _ApiError(CollectorError):
    """Flickr answered, with an error: ``code`` as in the documentation of the method."""

    def __init__(self, code: int | None, text: str) -> None:
        super().__init__(f"{text} (code {code})")
        self.code = code


@dataclass(frozen=True)
class Page:
    """One answer of a pool: its pictures, and how many pages and pictures the pool has now."""

    photos: list[Photo]
    pages: int
    total: int


def _check(response: requests.Response) -> None:
    # flickrapi knows only "not 200"; here the status and Retry-After are still there.
    check_for_later(response)
    if response.status_code == 401:
        raise BadKey(_bad_key("HTTP 401 Unauthorized"))
    if response.status_code >= 400:
        raise CollectorError(f"Flickr refused a call: HTTP {response.status_code} {response.reason}.")


def _bad_key(answer: str) -> str:
    return f"Flickr does not accept the key: {answer}. Check FLICKR_API_KEY and FLICKR_API_SECRET."


class Flickr:
    """A client for one key. Not for several threads at once: calls are an hour's ration, there is no hurry."""

    def __init__(
        self, key: str, secret: str, pace: Pace, patience: Patience, timeout: float, url: str | None = None
    ) -> None:
        """``timeout`` in seconds; ``url`` instead of Flickr's own address, for tests."""
        self._api = flickrapi.FlickrAPI(key, secret, format="parsed-json", store_token=False, timeout=timeout)
        self._api.flickr_oauth.session = session(1, _check)
        if url:
            self._api.REST_URL = url
        self._pace = pace
        self._patience = patience

    def page(self, group_id: str, number: int) -> Page:
        """Page ``number`` (from 1) of a group's pool, newest first. Raises GroupRefused, BadKey, Transient."""
        try:
            answer = self._call(
                "flickr.groups.pools.getPhotos", group_id=group_id, extras=EXTRAS, per_page=PAGE, page=number
            )
        except _ApiError as error:
            raise GroupRefused(_group_sentence(group_id, error)) from None
        photos = answer["photos"]
        return Page([Photo.from_answer(p) for p in photos["photo"]], int(photos["pages"]), int(photos["total"]))

    def sizes(self, photo: Photo) -> dict[str, str]:
        """Address by size, for a photograph whose entry in the list does not say. Raises Refused, BadKey, Transient."""
        try:
            answer = self._call("flickr.photos.getSizes", photo_id=photo.id)
        except _ApiError as error:
            reason = Reason.FORBIDDEN if error.code == _NO_PERMISSION else Reason.GONE
            raise Refused(reason, str(error)) from None
        return {entry["label"]: entry["source"] for entry in answer["sizes"]["size"] if entry["label"] in SIZES}

    def licences(self) -> list[Licence]:
        """Every licence that Flickr knows now."""
        answer = self._call("flickr.photos.licenses.getInfo")
        return [Licence.from_answer(entry) for entry in answer["licenses"]["license"]]

    def group_id(self, group: str) -> str:
        """The id of a group given by its id or by its address on flickr.com. Raises BadChoice where there is none."""
        if not group.startswith(("http://", "https://")):
            return group
        try:
            return str(self._call("flickr.urls.lookupGroup", url=group)["group"]["id"])
        except _ApiError as error:
            raise BadChoice(f"Flickr has no group at {group}: {error}.") from None

    def _call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        return persist(lambda: self._once(method, arguments), self._pace, self._patience)

    def _once(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = self._api.do_flickr_call(method, **arguments)
        except flickrapi.FlickrError as error:
            text = str(error).removeprefix("Error: ").removeprefix(f"{error.code}: ")
            if error.code in _KEY_CODES:
                raise BadKey(_bad_key(f"{text} (code {error.code})")) from None
            if error.code in _PASSING_CODES or "not currently available" in text:
                raise Transient(f"{text} (code {error.code})") from None
            raise _ApiError(error.code, text) from None
        except requests.RequestException as error:
            raise Transient(f"{type(error).__name__} from {self._api.REST_URL}") from None
        except ValueError:  # neither JSON nor UTF-8: a page of some proxy, or an answer cut short
            raise Transient(f"{self._api.REST_URL} answered with something that is not JSON") from None
        return answer


def _group_sentence(group_id: str, error: _ApiError) -> str:
    if error.code == _NOT_FOUND:
        return f"There is no group {group_id} on Flickr; its id looks like 1234567@N20, or give its address."
    if error.code == _NO_PERMISSION:
        return f"Group {group_id} shows its pool to members only."
    return f"Flickr will not list group {group_id}: {error}."
