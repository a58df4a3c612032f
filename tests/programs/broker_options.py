"""Prints the broker's transport options as JSON."""

import json
import sys

import celeryconfig

json.dump(celeryconfig.broker_transport_options, sys.stdout)
