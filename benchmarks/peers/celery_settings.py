"""Celery's settings of both peers: a quorum queue, and a confirm for each message."""

import os

broker_url = os.environ["BROKER_URL"]
broker_transport_options = {"confirm_publish": True}
task_default_queue = "events"
task_default_queue_type = "quorum"
task_ignore_result = True
task_acks_late = True
task_reject_on_worker_lost = True
worker_concurrency = int(os.environ.get("WORKER_CONCURRENCY", "4"))
