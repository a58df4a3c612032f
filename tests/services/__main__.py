"""Builds the folder of RabbitMQ 4; exits 1 and says why where this machine cannot have it."""

import sys

from tests.services import rabbitmq_4
from tests.services.debian import Unavailable

try:
    rabbitmq_4.build()
except Unavailable as reason:
    sys.exit(f"RabbitMQ 4 cannot be had here: {reason}")
