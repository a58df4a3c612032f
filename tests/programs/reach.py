"""Reaches the broker that the environment names, as the receiver does; prints what keeps it from that."""

import sys

from receiver.broker import Broker
from receiver.settings import Settings

Settings.load()
try:
    Broker(()).reach()
except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
    sys.stdout.write(f"{type(error).__name__}: {error}")
