"""What the receiver answers when it takes nothing in; `docs/reference/http-answers.md` says the same."""

from dataclasses import dataclass

import falcon


@dataclass(frozen=True, slots=True)
class Answer:
    """A refusal, in the one shape that all of them have: `title` and `description`."""

    status: int
    title: str
    #: What the sender should know, unless the case at hand has something more telling to say.
    description: str

    @property
    def reason(self) -> str:
        """What a refusal by Falcon or gunicorn is counted as."""
        return self.title.lower().replace(" ", "_")

    def document(self) -> dict[str, str]:
        """Return the answer's body."""
        return {"title": self.title, "description": self.description}

    def error(self, description: str | None = None, *, retry_after: int | None = None) -> falcon.HTTPError:
        """Return the exception that Falcon turns into the answer; `retry_after` in seconds."""
        return falcon.HTTPError(
            self.status,
            title=self.title,
            description=description or self.description,
            headers=None if retry_after is None else {"Retry-After": str(retry_after)},
        )


NOT_AN_EVENT = Answer(400, "Not a Coinflow event", "The body is no event of Coinflow's.")
NOT_AUTHENTIC = Answer(401, "Not authentic", "Send the Webhook Validation Key in Authorization.")
TOO_SLOW = Answer(408, "Too slow", "The request did not arrive in time.")
TOO_LARGE = Answer(413, "Body too large", "The body is larger than MAX_BODY_BYTES.")
TRY_AGAIN = Answer(503, "Try again", "The event was not taken in.")
NOT_READY = Answer(503, "Not ready", "The broker cannot be reached.")

#: What Falcon and gunicorn refuse by themselves, by status.
OF_THE_SERVERS = {
    answer.status: answer
    for answer in (
        Answer(400, "Not HTTP", "The request does not follow RFC 9112, or is ambiguous about its length."),
        Answer(404, "Not found", "There is nothing here. Coinflow delivers to WEBHOOK_PATH."),
        Answer(405, "Method not allowed", "The header Allow names the methods of this path."),
        TOO_SLOW,
        Answer(414, "Address too long", "The request line is too long."),
        Answer(431, "Headers too large", "There are too many header lines, or one is too long."),
        Answer(500, "Internal error", "The fault is the receiver's; its log says more."),
        Answer(501, "Not implemented", "Transfer-Encoding may be chunked, and nothing else."),
    )
}

ANSWERS = (NOT_AN_EVENT, NOT_AUTHENTIC, TOO_LARGE, TRY_AGAIN, NOT_READY, *OF_THE_SERVERS.values())
