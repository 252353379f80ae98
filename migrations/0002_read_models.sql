-- The read models: one table a kind of thing, and the timeline. Each row follows from one stream
-- of the log alone, so all of this can be emptied and written anew.
--
-- The columns are the fields of the structs in domain/ (a test compares them), between the
-- stream that the row follows from and the position of the first event about the thing. That
-- position never changes, so it is the order of the lists and their cursor.
--
-- A fill factor below 100 leaves room in the page for the next version of a row.

CREATE TABLE raphus.subscriptions (
    stream_id text NOT NULL,
    first_position bigint NOT NULL,
    business_id text NOT NULL,
    status text,
    folded_status text,
    observed_status text,
    drift jsonb,
    history text NOT NULL,
    refused bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    customer_id text,
    subscription_id text NOT NULL,
    product_id text,
    quantity bigint,
    currency text,
    recurring_pre_tax_amount bigint,
    tax_inclusive boolean,
    payment_frequency_count bigint,
    payment_frequency_interval text,
    subscription_period_count bigint,
    subscription_period_interval text,
    trial_period_days bigint,
    on_demand boolean,
    discount_id text,
    previous_billing_date timestamptz,
    next_billing_date timestamptz,
    past_due_ends_at timestamptz,
    cancel_at_next_billing_date boolean,
    cancelled_at timestamptz,
    expires_at timestamptz,
    PRIMARY KEY (subscription_id, business_id)
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX subscriptions_first_position_idx ON raphus.subscriptions (first_position);
CREATE INDEX subscriptions_customer_idx ON raphus.subscriptions (customer_id, first_position);
CREATE INDEX subscriptions_status_idx ON raphus.subscriptions (status, first_position);

CREATE TABLE raphus.payments (
    stream_id text NOT NULL,
    first_position bigint NOT NULL,
    business_id text NOT NULL,
    status text,
    folded_status text,
    observed_status text,
    drift jsonb,
    history text NOT NULL,
    refused bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    customer_id text,
    payment_id text NOT NULL,
    subscription_id text,
    product_ids text[] NOT NULL,
    currency text,
    total_amount bigint,
    tax bigint,
    settlement_amount bigint,
    settlement_currency text,
    settlement_tax bigint,
    payment_method text,
    payment_method_type text,
    error_code text,
    invoice_id text,
    checkout_session_id text,
    discount_id text,
    brand_id text,
    refunded_amount bigint NOT NULL,
    anomaly text,
    PRIMARY KEY (payment_id, business_id)
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX payments_first_position_idx ON raphus.payments (first_position);
CREATE INDEX payments_customer_idx ON raphus.payments (customer_id, first_position);
CREATE INDEX payments_status_idx ON raphus.payments (status, first_position);

CREATE TABLE raphus.refunds (
    stream_id text NOT NULL,
    first_position bigint NOT NULL,
    business_id text NOT NULL,
    status text,
    folded_status text,
    observed_status text,
    drift jsonb,
    history text NOT NULL,
    refused bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    customer_id text,
    refund_id text NOT NULL,
    payment_id text NOT NULL,
    amount bigint,
    currency text,
    is_partial boolean,
    reason text,
    PRIMARY KEY (refund_id, business_id, payment_id)
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX refunds_first_position_idx ON raphus.refunds (first_position);
-- A refund's stream is its payment's: this finds the refunds of a payment.
CREATE INDEX refunds_stream_idx ON raphus.refunds (stream_id);
CREATE INDEX refunds_customer_idx ON raphus.refunds (customer_id) WHERE customer_id IS NOT NULL;

CREATE TABLE raphus.disputes (
    stream_id text NOT NULL,
    first_position bigint NOT NULL,
    business_id text NOT NULL,
    status text,
    folded_status text,
    observed_status text,
    drift jsonb,
    history text NOT NULL,
    refused bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    customer_id text,
    dispute_id text NOT NULL,
    payment_id text,
    amount bigint,
    currency text,
    stage text,
    dispute_stage text,
    dispute_status text,
    reason text,
    remarks text,
    PRIMARY KEY (dispute_id, business_id)
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX disputes_first_position_idx ON raphus.disputes (first_position);
CREATE INDEX disputes_payment_idx ON raphus.disputes (payment_id, business_id);
CREATE INDEX disputes_customer_idx ON raphus.disputes (customer_id) WHERE customer_id IS NOT NULL;
-- Few are open at a time, and they are asked for most.
CREATE INDEX disputes_open_idx ON raphus.disputes (first_position)
    WHERE status IN ('opened', 'challenged');

CREATE TABLE raphus.license_keys (
    stream_id text NOT NULL,
    first_position bigint NOT NULL,
    business_id text NOT NULL,
    status text,
    folded_status text,
    observed_status text,
    drift jsonb,
    history text NOT NULL,
    refused bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    customer_id text,
    id text NOT NULL,
    product_id text,
    payment_id text,
    subscription_id text,
    activations_limit bigint,
    instances_count bigint,
    expires_at timestamptz,
    PRIMARY KEY (id, business_id)
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX license_keys_first_position_idx ON raphus.license_keys (first_position);
CREATE INDEX license_keys_customer_idx ON raphus.license_keys (customer_id, first_position);

CREATE TABLE raphus.timeline (
    stream_id text NOT NULL,
    business_id text NOT NULL,
    rank bigint NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    webhook_id text NOT NULL,
    type text NOT NULL,
    occurred_at timestamptz,
    recorded_at timestamptz NOT NULL,
    position bigint NOT NULL,
    verdict text,
    reason text,
    gap boolean NOT NULL,
    from_status text,
    to_status text,
    -- The position alone tells a fact from all others; by the webhook-id first, so that this
    -- finds what a webhook-id stands for, too. No tenant: further bodies may change a notice's.
    PRIMARY KEY (webhook_id, position)
);

CREATE INDEX timeline_stream_idx ON raphus.timeline (stream_id);
CREATE INDEX timeline_refused_idx ON raphus.timeline (position) WHERE verdict = 'refused';
