-- Looks: what Dodo's API says of a thing, in the log beside the webhooks. They settle what is missing, and
-- tell of customers and products, about which no webhook is. There were none before: no row that
-- was written before differs.

ALTER TABLE raphus.subscriptions
    ADD COLUMN settled bigint NOT NULL DEFAULT 0, ADD COLUMN missing_since timestamptz;
ALTER TABLE raphus.payments
    ADD COLUMN settled bigint NOT NULL DEFAULT 0, ADD COLUMN missing_since timestamptz;
ALTER TABLE raphus.refunds
    ADD COLUMN settled bigint NOT NULL DEFAULT 0, ADD COLUMN missing_since timestamptz;
ALTER TABLE raphus.disputes
    ADD COLUMN settled bigint NOT NULL DEFAULT 0, ADD COLUMN missing_since timestamptz;
ALTER TABLE raphus.license_keys
    ADD COLUMN settled bigint NOT NULL DEFAULT 0, ADD COLUMN missing_since timestamptz;
ALTER TABLE raphus.entitlement_grants
    ADD COLUMN settled bigint NOT NULL DEFAULT 0, ADD COLUMN missing_since timestamptz;
ALTER TABLE raphus.credits
    ADD COLUMN settled bigint NOT NULL DEFAULT 0, ADD COLUMN missing_since timestamptz;
ALTER TABLE raphus.dunnings
    ADD COLUMN settled bigint NOT NULL DEFAULT 0, ADD COLUMN missing_since timestamptz;
ALTER TABLE raphus.abandoned_checkouts
    ADD COLUMN settled bigint NOT NULL DEFAULT 0, ADD COLUMN missing_since timestamptz;
ALTER TABLE raphus.payouts
    ADD COLUMN settled bigint NOT NULL DEFAULT 0, ADD COLUMN missing_since timestamptz;

CREATE TABLE raphus.products (
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
    settled bigint NOT NULL,
    missing_since timestamptz,
    product_id text NOT NULL,
    name text,
    description text,
    price_type text,
    price bigint,
    currency text,
    tax_inclusive boolean,
    discount_bps bigint,
    pay_what_you_want boolean,
    suggested_price bigint,
    purchasing_power_parity boolean,
    pricing_mode text,
    payment_frequency_count bigint,
    payment_frequency_interval text,
    subscription_period_count bigint,
    subscription_period_interval text,
    trial_period_days bigint,
    trial_amount bigint,
    is_recurring boolean,
    tax_category text,
    updated_at timestamptz,
    brand_id text,
    metadata jsonb NOT NULL,
    PRIMARY KEY (product_id, business_id)
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX products_first_position_idx ON raphus.products (first_position);
CREATE INDEX products_status_idx ON raphus.products (status, first_position);
CREATE INDEX products_metadata_idx ON raphus.products
    USING gin (metadata jsonb_path_ops) WITH (fastupdate = off) WHERE metadata <> '{}';

COMMENT ON TABLE raphus.products IS
    'Products as Dodo''s API tells of them; prices in minor units of the currency.';

CREATE TABLE raphus.customer_records (
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
    settled bigint NOT NULL,
    missing_since timestamptz,
    email text,
    name text,
    phone_number text,
    blocked_at timestamptz,
    metadata jsonb NOT NULL,
    PRIMARY KEY (customer_id, business_id)
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX customer_records_first_position_idx ON raphus.customer_records (first_position);

COMMENT ON TABLE raphus.customer_records IS
    'Customers as Dodo''s API tells of them; the view customers has what all that names them says.';

CREATE TABLE raphus.customer_periods
    PARTITION OF raphus.periods FOR VALUES IN ('customer') WITH (fillfactor = 85);
CREATE TABLE raphus.product_periods
    PARTITION OF raphus.periods FOR VALUES IN ('product') WITH (fillfactor = 85);

-- The last webhook of a business, behind which there may be any number of looks: an erasure and a
-- look have no verdict.
DROP INDEX raphus.timeline_business_idx;
CREATE INDEX timeline_webhooks_idx ON raphus.timeline (business_id, position)
    WHERE verdict IS NOT NULL OR kind = 'notice';

CREATE OR REPLACE VIEW raphus.active_subscriptions AS
SELECT
    business_id, status, folded_status, observed_status, drift, history, refused, occurred_at,
    created_at, customer_id, subscription_id, product_id, quantity, currency,
    recurring_pre_tax_amount, tax_inclusive, payment_frequency_count,
    payment_frequency_interval, subscription_period_count, subscription_period_interval,
    trial_period_days, on_demand, discount_id, previous_billing_date, next_billing_date,
    past_due_ends_at, cancel_at_next_billing_date, cancelled_at, expires_at, anomaly, metadata,
    addons, meters, discounts, scheduled_change, paused_at, payment_method_id, trial_amount,
    cancelled_by, cancellation_feedback, cancellation_comment, tax_id, settled, missing_since
FROM raphus.subscriptions
WHERE status = 'active'
    OR status = 'past_due' AND coalesce(past_due_ends_at > now(), true);

CREATE OR REPLACE VIEW raphus.open_disputes AS
SELECT
    d.business_id, d.status, d.folded_status, d.observed_status, d.drift, d.history, d.refused,
    d.occurred_at, d.created_at, coalesce(d.customer_id, p.customer_id) AS customer_id,
    d.dispute_id, d.payment_id, d.amount, d.currency, d.stage, d.dispute_stage,
    d.dispute_status, d.reason, d.remarks, d.is_resolved_by_rdr, d.settled, d.missing_since
FROM raphus.disputes AS d
LEFT JOIN raphus.payments AS p
    ON p.payment_id = d.payment_id AND p.business_id = d.business_id
WHERE d.status IN ('opened', 'challenged');

CREATE OR REPLACE VIEW raphus.customer_objects AS
SELECT
    'subscription' AS kind, subscription_id AS id, stream_id, first_position, business_id,
    customer_id, status, refused, created_at, occurred_at,
    NULL::text AS currency, 0::bigint AS paid, 0::bigint AS refunded,
    coalesce(
        status = 'active'
        OR status = 'past_due' AND coalesce(past_due_ends_at > now(), true),
        false
    ) AS gives_access
FROM raphus.subscriptions
WHERE customer_id IS NOT NULL
UNION ALL
SELECT
    'payment', payment_id, stream_id, first_position, business_id,
    customer_id, status, refused, created_at, occurred_at,
    CASE WHEN status = 'succeeded' THEN currency END,
    CASE WHEN status = 'succeeded' THEN coalesce(total_amount, 0) ELSE 0 END, 0::bigint,
    false
FROM raphus.payments
WHERE customer_id IS NOT NULL
-- Each of the two that may lack a customer stands here twice, so that the planner can search
-- the indexes for a customer of its own and for its payment's.
UNION ALL
SELECT
    'refund', r.refund_id, r.stream_id, r.first_position, r.business_id,
    r.customer_id, r.status, r.refused, r.created_at, r.occurred_at,
    CASE WHEN r.status = 'succeeded' THEN coalesce(r.currency, p.currency) END,
    0::bigint, CASE WHEN r.status = 'succeeded' THEN coalesce(r.amount, 0) ELSE 0 END,
    false
FROM raphus.refunds AS r
LEFT JOIN raphus.payments AS p
    ON p.payment_id = r.payment_id AND p.business_id = r.business_id
WHERE r.customer_id IS NOT NULL
UNION ALL
SELECT
    'refund', r.refund_id, r.stream_id, r.first_position, r.business_id,
    p.customer_id, r.status, r.refused, r.created_at, r.occurred_at,
    CASE WHEN r.status = 'succeeded' THEN coalesce(r.currency, p.currency) END,
    0::bigint, CASE WHEN r.status = 'succeeded' THEN coalesce(r.amount, 0) ELSE 0 END,
    false
FROM raphus.refunds AS r
JOIN raphus.payments AS p ON p.stream_id = r.stream_id
WHERE r.customer_id IS NULL AND p.customer_id IS NOT NULL
UNION ALL
SELECT
    'dispute', dispute_id, stream_id, first_position, business_id,
    customer_id, status, refused, created_at, occurred_at, NULL::text, 0::bigint, 0::bigint,
    false
FROM raphus.disputes
WHERE customer_id IS NOT NULL
UNION ALL
SELECT
    'dispute', d.dispute_id, d.stream_id, d.first_position, d.business_id,
    p.customer_id, d.status, d.refused, d.created_at, d.occurred_at, NULL::text, 0::bigint, 0::bigint,
    false
FROM raphus.disputes AS d
JOIN raphus.payments AS p
    ON p.payment_id = d.payment_id AND p.business_id = d.business_id
WHERE d.customer_id IS NULL AND p.customer_id IS NOT NULL
UNION ALL
SELECT
    'license_key', id, stream_id, first_position, business_id,
    customer_id, status, refused, created_at, occurred_at, NULL::text, 0::bigint, 0::bigint,
    false
FROM raphus.license_keys
WHERE customer_id IS NOT NULL
UNION ALL
SELECT
    'entitlement_grant', id, stream_id, first_position, business_id,
    customer_id, status, refused, created_at, occurred_at, NULL::text, 0::bigint, 0::bigint,
    false
FROM raphus.entitlement_grants
WHERE customer_id IS NOT NULL
UNION ALL
SELECT
    'credit', id, stream_id, first_position, business_id,
    customer_id, status, refused, created_at, occurred_at, NULL::text, 0::bigint, 0::bigint,
    false
FROM raphus.credits
WHERE customer_id IS NOT NULL
UNION ALL
SELECT
    'dunning', id, stream_id, first_position, business_id,
    customer_id, status, refused, created_at, occurred_at, NULL::text, 0::bigint, 0::bigint,
    false
FROM raphus.dunnings
WHERE customer_id IS NOT NULL
UNION ALL
SELECT
    'abandoned_checkout', payment_id, stream_id, first_position, business_id,
    customer_id, status, refused, created_at, occurred_at, NULL::text, 0::bigint, 0::bigint,
    false
FROM raphus.abandoned_checkouts
WHERE customer_id IS NOT NULL
UNION ALL
SELECT
    'customer', customer_id, stream_id, first_position, business_id,
    customer_id, status, refused, created_at, occurred_at, NULL::text, 0::bigint, 0::bigint,
    false
FROM raphus.customer_records;
