"""What the brokers' errors mean for another try: every one of amqp, kombu and redis, looked at once."""

from collections.abc import Mapping

import amqp.exceptions as amqp
import kombu.exceptions as kombu
import redis.exceptions as redis

from tasks.worker.kinds import Decision, Kind

_WAIT: dict[str, tuple[type[BaseException], ...]] = {
    "the connection is lost or cannot be made; another one is made": (
        amqp.ChannelNotOpen,
        amqp.ConnectionError,
        amqp.ConnectionForced,
        amqp.FrameError,
        amqp.FrameSyntaxError,
        amqp.IrrecoverableConnectionError,
        amqp.RecoverableChannelError,
        amqp.RecoverableConnectionError,
        amqp.UnexpectedFrame,
        kombu.OperationalError,
        redis.ConnectionError,
        redis.InvalidResponse,
        redis.TimeoutError,
        TimeoutError,
    ),
    "the broker has no room: memory, disk, connections, or a queue that is full": (
        amqp.Blocked,  # type: ignore[attr-defined]  # unknown to the stubs
        amqp.MessageNacked,
        amqp.ResourceError,
        kombu.ChannelLimitExceeded,
        kombu.ConnectionLimitExceeded,
        kombu.LimitExceeded,
        redis.MaxConnectionsError,
        redis.OutOfMemoryError,
    ),
    "the broker starts, ends, or changes its leader": (
        amqp.ConsumerCancelled,
        amqp.InternalError,
        amqp.NoConsumers,
        redis.AskError,
        redis.BusyLoadingError,
        redis.ClusterDownError,
        redis.ClusterError,
        redis.MasterDownError,
        redis.MovedError,
        redis.NoScriptError,
        redis.ReadOnlyError,
        redis.SlotNotCoveredError,
        redis.TryAgainError,
    ),
    "who we are or what we may do: an administrator's doing": (
        amqp.AccessRefused,
        amqp.InvalidPath,
        # RabbitMQ says it of a virtual host, and of a user or virtual host with too many connections.
        amqp.NotAllowed,
        redis.AuthenticationError,
        redis.AuthenticationWrongNumberOfArgsError,
        redis.AuthorizationError,
        redis.ExternalAuthProviderError,
        redis.NoPermissionError,
    ),
    "somebody has deleted a queue, an exchange or its bindings; a worker that starts makes them": (
        amqp.NotFound,
        kombu.InconsistencyError,
    ),
    "others were in the way": (
        amqp.ResourceLocked,
        redis.ExecAbortError,
        redis.LockError,
        redis.LockNotOwnedError,
        redis.WatchError,
    ),
}
_FEW_TRIES: dict[str, tuple[type[BaseException], ...]] = {
    "the message itself may be to blame: too large, or not to be written or read": (
        amqp.ContentTooLarge,
        # Also a queue that is there with other arguments.
        amqp.PreconditionFailed,
        kombu.ContentDisallowed,
        kombu.DecodeError,
        kombu.EncodeError,
        kombu.SerializationError,
        kombu.SerializerNotInstalled,
        redis.DataError,
    ),
    "we, or a library, ask for what the broker does not do": (
        amqp.AMQPNotImplementedError,
        amqp.InvalidCommand,
        kombu.HttpError,
        kombu.MessageStateError,
        kombu.NotBoundError,
        kombu.VersionMismatch,
        redis.ChildDeadlockedError,
        redis.ClusterCrossSlotError,
        redis.CrossSlotTransactionError,
        redis.IncorrectPolicyType,
        redis.InvalidPipelineStack,
        redis.ModuleError,
        redis.NoSuchFieldsetError,
        redis.PubSubError,
    ),
    "it says no more than that something failed": (
        amqp.AMQPError,
        amqp.ChannelError,
        amqp.IrrecoverableChannelError,
        kombu.BatchPublishError,  # type: ignore[attr-defined]  # unknown to the stubs
        kombu.KombuError,
        redis.RedisClusterException,
        redis.RedisError,
        redis.ResponseError,
    ),
}

#: By exception; of an error's classes the nearest decides.
BROKER_ERRORS: Mapping[type[BaseException], Decision] = {
    error: Decision(kind, reason)
    for kind, table in ((Kind.TRANSIENT, _WAIT), (Kind.UNEXPECTED, _FEW_TRIES))
    for reason, errors in table.items()
    for error in errors
}

#: What Redis says in a word where its client has no exception of its own.
REDIS_WORDS: Mapping[str, Decision] = {
    word: Decision(Kind.TRANSIENT, reason)
    for word, reason in {
        "BUSY": "a script keeps Redis from answering",
        "CLUSTERDOWN": "a cluster without a majority",
        "LOADING": "Redis reads its file",
        "MASTERDOWN": "a replica without its primary",
        "MISCONF": "Redis cannot write its file",
        "NOREPLICAS": "too few replicas have what is written",
        "READONLY": "a replica, until it is promoted",
        "TRYAGAIN": "a cluster moves the key",
        "UNBLOCKED": "a primary that became a replica sent the waiting ones away",
    }.items()
}


def decision(error: BaseException) -> Decision | None:
    """Return what an error of a broker's means, or None where it is none."""
    if isinstance(error, redis.ResponseError):
        word = str(error).partition(" ")[0]
        if word in REDIS_WORDS:
            return REDIS_WORDS[word]
    return next((BROKER_ERRORS[each] for each in type(error).__mro__ if each in BROKER_ERRORS), None)
