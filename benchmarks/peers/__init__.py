"""What a merchant would use instead, each small, and as its own documentation says."""

from benchmarks.peers.peer import Peer

#: Each has as many processes as ours where its documentation does not say otherwise.
PEERS = (
    Peer(
        "Express + amqplib",
        "express_amqplib",
        door="node server.mjs",
        processes="2 door",
    ),
    Peer(
        "FastAPI + Celery",
        "fastapi_celery",
        door="venv/bin/uvicorn server:app --host 127.0.0.1 --port $PORT --workers 2 --no-access-log",
        worker="venv/bin/celery -A work worker",
        processes="2 door, 4 worker",
    ),
    Peer(
        "Django + Celery",
        "django_celery",
        door="venv/bin/gunicorn server:application --bind 127.0.0.1:$PORT --workers 2 --threads 16",
        processes="2 door of 16 threads",
    ),
    Peer(
        "Express + BullMQ, fsync every second",
        "express_bullmq",
        door="node server.mjs",
        worker="node worker.mjs",
        broker="everysec",
        processes="2 door, 1 worker of 16 jobs",
    ),
    Peer(
        "Express + BullMQ, fsync always",
        "express_bullmq",
        door="node server.mjs",
        worker="node worker.mjs",
        broker="always",
        processes="2 door, 1 worker of 16 jobs",
    ),
)
