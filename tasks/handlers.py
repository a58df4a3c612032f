"""Your own handlers: what should happen besides fulfilment when Coinflow says something.

    from tasks.event import Event
    from tasks.payloads import Declined
    from tasks.routing import on

    @on("Card Payment Declined")
    def offer_another_card(event: Event[Declined]) -> None:
        send_mail(to=event.payload.customer_id, reason=event.payload.decline_description, once=event.key)

Each function is a Celery task of its own on the queue `handlers`. An error is retried: connection errors and
time-outs until they pass, others five times, then the event is a dead letter; a `tasks.errors.PermanentError`
is one at once. It may run again after a crash, so let `event.key` make what it does happen once.
"""
