"""FastAPI and Celery: 200 once RabbitMQ has confirmed that a quorum queue holds the event."""

import os
import secrets
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException
from kombu.exceptions import OperationalError
from pydantic import BaseModel, Field
from work import store

_KEY = os.environ["COINFLOW_VALIDATION_KEY"].encode()
_MAX_BODY_BYTES = 1_048_576


class Event(BaseModel):
    """The envelope."""

    eventType: Annotated[str, Field(min_length=1)]  # noqa: N815  # Coinflow's name
    created: str
    data: dict[str, Any]


def authenticate(authorization: Annotated[str, Header()] = "") -> None:
    """Refuse a wrong key."""
    if not secrets.compare_digest(authorization.encode(), _KEY):
        raise HTTPException(401)


def bound(content_length: Annotated[int, Header()]) -> None:
    """Refuse a body that is too large."""
    if content_length > _MAX_BODY_BYTES:
        raise HTTPException(413)


app = FastAPI()


@app.post("/webhooks/coinflow", dependencies=[Depends(authenticate), Depends(bound)])
def receive(event: Event) -> dict[str, bool]:
    """Take one delivery in."""
    try:
        store.delay(event.model_dump())
    except OperationalError:
        raise HTTPException(503, headers={"Retry-After": "5"}) from None
    return {"success": True}
