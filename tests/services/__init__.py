"""Real servers for tests: private instances, and a private database on a PostgreSQL that runs already.

A machine without a server skips the tests that need it; with `CI` set, they fail instead.
"""

from tests.services.certificates import Certificates, certificates
from tests.services.pgbouncer import pgbouncer
from tests.services.postgres_server import postgres, postgres_database
from tests.services.prometheus_server import Prometheus, prometheus
from tests.services.rabbitmq_cluster import RabbitMQCluster, rabbitmq_cluster
from tests.services.rabbitmq_node import rabbitmq, rabbitmqctl, tls
from tests.services.rabbitmq_shared import SharedRabbitMQ, VirtualHost
from tests.services.redis_server import redis
from tests.services.server import Server, answers, free_port, missing

__all__ = [
    "Certificates",
    "Prometheus",
    "RabbitMQCluster",
    "Server",
    "SharedRabbitMQ",
    "VirtualHost",
    "answers",
    "certificates",
    "free_port",
    "missing",
    "pgbouncer",
    "postgres",
    "postgres_database",
    "prometheus",
    "rabbitmq",
    "rabbitmq_cluster",
    "rabbitmqctl",
    "redis",
    "tls",
]
