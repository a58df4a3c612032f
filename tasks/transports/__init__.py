"""kombu's transports for RabbitMQ and Redis, made to lose nothing by themselves."""
