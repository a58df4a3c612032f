"""What Coinflow puts into `data` of events that speak of no payment, Version 2 and Version 3 in one model."""

from tasks.coinflow.fields import (
    Amount,
    CustomerPayload,
    Fee,
    Hidden,
    Name,
    Number,
    Payload,
    Text,
    WebhookInfo,
)


class Subscription(CustomerPayload):
    """`SubscriptionWebhookData`, `SubscriptionWebhookData3`; it names no payment."""

    subscription_id: Name
    plan_code: Text = None
    plan_name: Text = None
    amount: Amount = None
    interval: Text = None
    funding_method: Text = None
    webhook_info: WebhookInfo = None
    reason: Text = None
    payment_method: Text = None


class Kyc(CustomerPayload):
    """The `data` of `KYC …`."""

    blockchain: Text = None
    email: Hidden = None


class Kyb(Payload):
    """The `data` of `Sub-merchant …`; that of the onboarding events is documented in part only."""

    email: Hidden = None
    reason: Text = None
    rfi_id: Text = None


class Withdraw(CustomerPayload):
    """The `data` of `Withdraw …`: money paid out to a user."""

    blockchain: Text = None
    signature: Text = None
    user_fees: Fee = None
    user_gas_fees: Fee = None
    user_custom_fees: Fee = None
    user_swap_fees: Fee = None
    merchant_fees: Fee = None
    merchant_gas_fees: Fee = None
    merchant_swap_fees: Fee = None
    total: Amount = None
    currency: Text = None
    user_id: Text = None
    idempotency_key: Text = None


class LimitThreshold(CustomerPayload):
    """The `data` of `Customer Override Limit Threshold`; amounts in cents, the percentage as a string."""

    threshold_percent: Text = None
    current_volume_cents: Number = None
    override_limit_cents: Number = None
