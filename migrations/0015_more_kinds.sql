-- The read models of what Dodo tells beside payments, subscriptions and their like: entitlement grants,
-- credits, dunning attempts, abandoned checkouts and payouts; and more fields of the others. Rows that
-- were written before are without these until a rebuild.

CREATE TABLE raphus.entitlement_grants (
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
    entitlement_id text,
    integration_type text,
    payment_id text,
    subscription_id text,
    delivered_at timestamptz,
    revoked_at timestamptz,
    revocation_reason text,
    error_code text,
    error_message text,
    license_key jsonb,
    feature jsonb,
    brand_id text,
    license_key_id text,
    metadata jsonb NOT NULL,
    PRIMARY KEY (id, business_id)
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX entitlement_grants_first_position_idx ON raphus.entitlement_grants (first_position);
CREATE INDEX entitlement_grants_customer_idx ON raphus.entitlement_grants (customer_id, first_position);
CREATE INDEX entitlement_grants_status_idx ON raphus.entitlement_grants (status, first_position);
CREATE INDEX entitlement_grants_subscription_idx ON raphus.entitlement_grants (subscription_id)
    WHERE subscription_id IS NOT NULL;
CREATE INDEX entitlement_grants_payment_idx ON raphus.entitlement_grants (payment_id)
    WHERE payment_id IS NOT NULL;
-- For the status of a licence key.
CREATE INDEX entitlement_grants_license_key_idx ON raphus.entitlement_grants (license_key_id)
    WHERE license_key_id IS NOT NULL;
CREATE INDEX entitlement_grants_metadata_idx ON raphus.entitlement_grants
    USING gin (metadata jsonb_path_ops) WITH (fastupdate = off) WHERE metadata <> '{}';

CREATE TABLE raphus.credits (
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
    credit_entitlement_id text NOT NULL,
    credit_entitlement_name text,
    balance numeric,
    overage numeric,
    ledger_balance numeric NOT NULL,
    ledger_overage numeric NOT NULL,
    observed_balance numeric,
    observed_overage numeric,
    unexplained numeric,
    entries bigint NOT NULL,
    low_at timestamptz,
    subscription_ids text[] NOT NULL,
    anomaly text,
    metadata jsonb NOT NULL,
    PRIMARY KEY (id, business_id)
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX credits_first_position_idx ON raphus.credits (first_position);
CREATE INDEX credits_customer_idx ON raphus.credits (customer_id, first_position);
CREATE INDEX credits_subscriptions_idx ON raphus.credits
    USING gin (subscription_ids) WITH (fastupdate = off) WHERE subscription_ids <> '{}';
CREATE INDEX credits_metadata_idx ON raphus.credits
    USING gin (metadata jsonb_path_ops) WITH (fastupdate = off) WHERE metadata <> '{}';

CREATE TABLE raphus.credit_entries (
    stream_id text NOT NULL,
    business_id text NOT NULL,
    customer_id text NOT NULL,
    credit_entitlement_id text NOT NULL,
    id text NOT NULL,
    position bigint NOT NULL,
    webhook_id text NOT NULL,
    type text NOT NULL,
    created_at timestamptz NOT NULL,
    transaction_type text,
    amount numeric,
    balance_change numeric NOT NULL,
    overage_change numeric NOT NULL,
    balance_before numeric,
    balance_after numeric,
    overage_before numeric,
    overage_after numeric,
    reference_type text,
    reference_id text,
    grant_id text,
    description text,
    anomaly text,
    PRIMARY KEY (stream_id, id)
) WITH (fillfactor = 85);

CREATE INDEX credit_entries_customer_idx ON raphus.credit_entries (customer_id, created_at);

COMMENT ON TABLE raphus.credit_entries IS
    'The ledgers of credits, one row an entry; amounts are in credits, negative where they are taken away.';

CREATE TABLE raphus.dunnings (
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
    subscription_id text NOT NULL,
    trigger_state text,
    payment_id text,
    brand_id text,
    PRIMARY KEY (id, business_id)
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX dunnings_first_position_idx ON raphus.dunnings (first_position);
CREATE INDEX dunnings_stream_idx ON raphus.dunnings (stream_id);
CREATE INDEX dunnings_customer_idx ON raphus.dunnings (customer_id, first_position);
CREATE INDEX dunnings_subscription_idx ON raphus.dunnings (subscription_id);
CREATE INDEX dunnings_payment_idx ON raphus.dunnings (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX dunnings_status_idx ON raphus.dunnings (status, first_position);

CREATE TABLE raphus.abandoned_checkouts (
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
    recovered_payment_id text,
    abandoned_at timestamptz,
    abandonment_reason text,
    brand_id text,
    PRIMARY KEY (payment_id, business_id)
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX abandoned_checkouts_first_position_idx ON raphus.abandoned_checkouts (first_position);
CREATE INDEX abandoned_checkouts_customer_idx
    ON raphus.abandoned_checkouts (customer_id, first_position);
CREATE INDEX abandoned_checkouts_recovered_idx ON raphus.abandoned_checkouts (recovered_payment_id)
    WHERE recovered_payment_id IS NOT NULL;
CREATE INDEX abandoned_checkouts_status_idx ON raphus.abandoned_checkouts (status, first_position);

CREATE TABLE raphus.payouts (
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
    payout_id text NOT NULL,
    amount bigint,
    fee bigint,
    currency text,
    payment_method text,
    remarks text,
    updated_at timestamptz,
    brand_id text,
    PRIMARY KEY (payout_id, business_id)
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX payouts_first_position_idx ON raphus.payouts (first_position);
CREATE INDEX payouts_status_idx ON raphus.payouts (status, first_position);

CREATE TABLE raphus.entitlement_grant_periods
    PARTITION OF raphus.periods FOR VALUES IN ('entitlement_grant') WITH (fillfactor = 85);
CREATE TABLE raphus.credit_periods
    PARTITION OF raphus.periods FOR VALUES IN ('credit') WITH (fillfactor = 85);
CREATE TABLE raphus.dunning_periods
    PARTITION OF raphus.periods FOR VALUES IN ('dunning') WITH (fillfactor = 85);
CREATE TABLE raphus.abandoned_checkout_periods
    PARTITION OF raphus.periods FOR VALUES IN ('abandoned_checkout') WITH (fillfactor = 85);
CREATE TABLE raphus.payout_periods
    PARTITION OF raphus.periods FOR VALUES IN ('payout') WITH (fillfactor = 85);

-- What names a subscription or a payment, and what a subscription's payments are.
CREATE INDEX license_keys_subscription_idx ON raphus.license_keys (subscription_id)
    WHERE subscription_id IS NOT NULL;
CREATE INDEX license_keys_payment_idx ON raphus.license_keys (payment_id)
    WHERE payment_id IS NOT NULL;
CREATE INDEX refunds_payment_idx ON raphus.refunds (payment_id);

ALTER TABLE raphus.timeline ADD COLUMN changes jsonb NOT NULL DEFAULT '[]';

ALTER TABLE raphus.subscriptions
    ADD COLUMN addons jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN meters jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN discounts jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN scheduled_change jsonb,
    ADD COLUMN paused_at timestamptz,
    ADD COLUMN payment_method_id text,
    ADD COLUMN trial_amount bigint,
    ADD COLUMN cancelled_by jsonb,
    ADD COLUMN cancellation_feedback text,
    ADD COLUMN cancellation_comment text,
    ADD COLUMN tax_id text;
ALTER TABLE raphus.payments
    ADD COLUMN subscription_ids text[] NOT NULL DEFAULT '{}',
    ADD COLUMN charge_type text,
    ADD COLUMN includes_usage boolean,
    ADD COLUMN service_periods jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN retry_attempt bigint,
    ADD COLUMN refund_status text,
    ADD COLUMN is_update_payment_method boolean,
    ADD COLUMN card_network text,
    ADD COLUMN card_issuing_country text,
    ADD COLUMN error_message text,
    ADD COLUMN invoice_url text,
    ADD COLUMN cart jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN billing_country text;
ALTER TABLE raphus.refunds
    ADD COLUMN network_reference text,
    ADD COLUMN network_reference_type text;
ALTER TABLE raphus.license_keys
    ADD COLUMN source text;

CREATE INDEX payments_subscriptions_idx ON raphus.payments
    USING gin (subscription_ids) WITH (fastupdate = off) WHERE subscription_ids <> '{}';

CREATE OR REPLACE VIEW raphus.active_subscriptions AS
SELECT
    business_id, status, folded_status, observed_status, drift, history, refused, occurred_at,
    created_at, customer_id, subscription_id, product_id, quantity, currency,
    recurring_pre_tax_amount, tax_inclusive, payment_frequency_count,
    payment_frequency_interval, subscription_period_count, subscription_period_interval,
    trial_period_days, on_demand, discount_id, previous_billing_date, next_billing_date,
    past_due_ends_at, cancel_at_next_billing_date, cancelled_at, expires_at, anomaly, metadata,
    addons, meters, discounts, scheduled_change, paused_at, payment_method_id, trial_amount,
    cancelled_by, cancellation_feedback, cancellation_comment, tax_id
FROM raphus.subscriptions
WHERE status = 'active'
    OR status = 'past_due' AND coalesce(past_due_ends_at > now(), true);

CREATE VIEW raphus.subscription_payments AS
SELECT
    p.business_id, one.subscription_id, p.payment_id, p.customer_id, p.status, p.created_at,
    p.charge_type, p.currency, p.total_amount, cardinality(p.subscription_ids) AS subscriptions,
    CASE WHEN cardinality(p.subscription_ids) = 1 THEN p.total_amount END AS own_amount
FROM raphus.payments AS p CROSS JOIN LATERAL unnest(p.subscription_ids) AS one (subscription_id);

COMMENT ON VIEW raphus.subscription_payments IS
    'The payments of each subscription; own_amount is null where one payment is for several, since Dodo does not tell how it is shared out.';

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
WHERE customer_id IS NOT NULL;

CREATE OR REPLACE VIEW raphus.customers AS
SELECT
    business_id,
    customer_id,
    sum(subscriptions)::bigint AS subscriptions,
    sum(active_subscriptions)::bigint AS active_subscriptions,
    sum(payments)::bigint AS payments,
    sum(succeeded_payments)::bigint AS succeeded_payments,
    sum(failed_payments)::bigint AS failed_payments,
    sum(refunds)::bigint AS refunds,
    sum(disputes)::bigint AS disputes,
    sum(open_disputes)::bigint AS open_disputes,
    sum(license_keys)::bigint AS license_keys,
    sum(refused)::bigint AS refused,
    coalesce(min(first_seen_at), min(first_noticed_at)) AS first_seen_at,
    coalesce(max(last_seen_at), max(last_noticed_at)) AS last_seen_at,
    coalesce(
        jsonb_object_agg(currency, jsonb_build_object('paid', paid, 'refunded', refunded))
            FILTER (WHERE currency IS NOT NULL),
        '{}'
    ) AS totals,
    max(email) AS email,
    max(name) AS name,
    max(phone_number) AS phone_number,
    coalesce((array_agg(metadata) FILTER (WHERE metadata IS NOT NULL))[1], '{}') AS metadata,
    coalesce((array_agg(sources) FILTER (WHERE sources IS NOT NULL))[1], '{}') AS sources,
    sum(entitlement_grants)::bigint AS entitlement_grants,
    sum(credits)::bigint AS credits,
    sum(dunnings)::bigint AS dunnings,
    sum(abandoned_checkouts)::bigint AS abandoned_checkouts
FROM (
    SELECT
        business_id,
        customer_id,
        currency,
        count(*) FILTER (WHERE kind = 'subscription') AS subscriptions,
        count(*) FILTER (WHERE gives_access) AS active_subscriptions,
        count(*) FILTER (WHERE kind = 'payment') AS payments,
        count(*) FILTER (WHERE kind = 'payment' AND status = 'succeeded') AS succeeded_payments,
        count(*) FILTER (WHERE kind = 'payment' AND status = 'failed') AS failed_payments,
        count(*) FILTER (WHERE kind = 'refund') AS refunds,
        count(*) FILTER (WHERE kind = 'dispute') AS disputes,
        count(*) FILTER (WHERE kind = 'dispute' AND status IN ('opened', 'challenged'))
            AS open_disputes,
        count(*) FILTER (WHERE kind = 'license_key') AS license_keys,
        sum(refused) AS refused,
        min(created_at) AS first_seen_at,
        max(occurred_at) AS last_seen_at,
        sum(paid) AS paid,
        sum(refunded) AS refunded,
        NULL::timestamptz AS first_noticed_at, NULL::timestamptz AS last_noticed_at,
        NULL::text AS email, NULL::text AS name, NULL::text AS phone_number,
        NULL::jsonb AS metadata, NULL::jsonb AS sources,
        count(*) FILTER (WHERE kind = 'entitlement_grant') AS entitlement_grants,
        count(*) FILTER (WHERE kind = 'credit') AS credits,
        count(*) FILTER (WHERE kind = 'dunning') AS dunnings,
        count(*) FILTER (WHERE kind = 'abandoned_checkout') AS abandoned_checkouts
    FROM raphus.customer_objects
    GROUP BY business_id, customer_id, currency
    UNION ALL
    SELECT
        business_id, customer_id, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        NULL, NULL, 0, 0, first_noticed_at, last_noticed_at,
        email, name, phone_number, metadata, sources, 0, 0, 0, 0
    FROM raphus.customer_identities
) AS parts
GROUP BY business_id, customer_id
-- Nothing that is there names a customer who was named once and is not any more.
HAVING count(first_seen_at) + count(first_noticed_at) > 0;

COMMENT ON VIEW raphus.customers IS
    'Every customer: counts, totals by currency in minor units, and who it is by the newest facts.';

CREATE VIEW raphus.license_key_standings AS
SELECT
    t.business_id, t.id, t.customer_id, t.product_id, t.payment_id, t.subscription_id,
    CASE WHEN g.status = 'revoked' AND t.status = 'active' THEN 'disabled' ELSE t.status END AS status,
    t.status AS own_status, g.id AS grant_id, g.status AS grant_status, g.revocation_reason
FROM raphus.license_keys AS t
LEFT JOIN LATERAL (
    SELECT id, status, revocation_reason FROM raphus.entitlement_grants
    WHERE license_key_id = t.id AND business_id = t.business_id
    ORDER BY created_at DESC, id COLLATE "C" DESC LIMIT 1
) AS g ON true;

COMMENT ON VIEW raphus.license_key_standings IS
    'Licence keys with their grants: the key of a revoked grant is disabled.';
