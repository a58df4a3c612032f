"""Django and Celery: 200 once RabbitMQ has confirmed that a quorum queue holds the event."""

import json
import os
from typing import Any

from celery import Celery
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=1_048_576,
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ["COINFLOW_VALIDATION_KEY"],
)

celery = Celery("server")
celery.config_from_object("celery_settings")


@celery.task(name="store")
def store(_event: dict[str, Any]) -> None:
    """Stand for the work; the door alone is measured."""


@csrf_exempt
@require_POST
def receive(request: HttpRequest) -> JsonResponse:
    """Take one delivery in."""
    given = request.headers.get("Authorization", "")
    if not constant_time_compare(given, os.environ["COINFLOW_VALIDATION_KEY"]):
        return JsonResponse({"title": "Not authentic"}, status=401)
    try:
        event = json.loads(request.body)
    except RequestDataTooBig:
        return JsonResponse({"title": "Too large"}, status=413)
    except ValueError:
        event = None
    if not _is_event(event):
        return JsonResponse({"title": "Not an event"}, status=400)
    try:
        store.delay(event)
    except OperationalError:
        return JsonResponse({"title": "Try again"}, status=503, headers={"Retry-After": "5"})
    return JsonResponse({"success": True})


def _is_event(event: object) -> bool:
    return (
        isinstance(event, dict)
        and isinstance(event.get("eventType"), str)
        and event["eventType"] != ""
        and isinstance(event.get("created"), str)
        and isinstance(event.get("data"), dict)
    )


urlpatterns = [path("webhooks/coinflow", receive)]
application = get_wsgi_application()
