"""What sends copies of an event, as Coinflow does, and hears what the receiver answers."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from typing import NamedTuple, Self

import httpx2

from receiver.authentication import sign

#: Seconds: Coinflow waits no longer for an answer.
_TIMEOUT = 5


class Answer(NamedTuple):
    """What came back."""

    #: The status, or the name of what kept an answer from coming.
    status: str
    #: Why it is no 200, as the receiver says; empty where it says nothing.
    reason: str = ""


class Sender:
    """Posts copies of one event, each signed afresh."""

    def __init__(self, url: str, key: bytes, body: bytes) -> None:
        self._url = url
        self._key = key
        self._body = body
        self._client = httpx2.Client(timeout=_TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._client.close()

    def send(self, times: int, concurrency: int) -> Iterator[Answer]:
        """Yield each answer as it comes."""
        with ThreadPoolExecutor(max_workers=concurrency) as pool:
            for answer in as_completed([pool.submit(self._post) for _ in range(times)]):
                yield answer.result()

    def _post(self) -> Answer:
        headers = {
            "Authorization": self._key.decode(),
            "Coinflow-Signature": sign(self._key, self._body, int(time.time())),
            "Content-Type": "application/json",
        }
        try:
            answer = self._client.post(self._url, content=self._body, headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            return Answer(type(error).__name__, str(error))
        return Answer(str(answer.status_code), "" if answer.is_success else _reason(answer))


def _reason(answer: httpx2.Response) -> str:
    with suppress(ValueError, TypeError, KeyError):
        document = json.loads(answer.content)
        return f"{document['title']}. {document['description']}"
    return ""
