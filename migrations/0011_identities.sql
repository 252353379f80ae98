-- Identities: who each thing says its customer is, and from when until when; what merchants ask by
-- is their own id in metadata, or an e-mail address. Rows that were written before are without
-- metadata, and identities without rows, until a rebuild.

ALTER TABLE raphus.subscriptions ADD COLUMN metadata jsonb NOT NULL DEFAULT '{}';
ALTER TABLE raphus.payments ADD COLUMN metadata jsonb NOT NULL DEFAULT '{}';
ALTER TABLE raphus.refunds ADD COLUMN metadata jsonb NOT NULL DEFAULT '{}';

-- Where there is none it costs nothing. Without fast update: a look-up is as quick after a burst.
CREATE INDEX subscriptions_metadata_idx ON raphus.subscriptions
    USING gin (metadata jsonb_path_ops) WITH (fastupdate = off) WHERE metadata <> '{}';
CREATE INDEX payments_metadata_idx ON raphus.payments
    USING gin (metadata jsonb_path_ops) WITH (fastupdate = off) WHERE metadata <> '{}';
CREATE INDEX refunds_metadata_idx ON raphus.refunds
    USING gin (metadata jsonb_path_ops) WITH (fastupdate = off) WHERE metadata <> '{}';

CREATE TABLE raphus.identities (
    stream_id text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    business_id text NOT NULL,
    first_position bigint NOT NULL,
    valid_from timestamptz NOT NULL,
    ordinal bigint NOT NULL,
    valid_to timestamptz,
    occurred_at timestamptz NOT NULL,
    rank bigint NOT NULL,
    webhook_id text NOT NULL,
    customer_id text,
    email text,
    email_folded text,
    name text,
    phone_number text,
    customer_metadata jsonb,
    metadata jsonb NOT NULL,
    valid tstzrange NOT NULL GENERATED ALWAYS AS (tstzrange(valid_from, valid_to, '[)')) STORED,
    PRIMARY KEY (stream_id, kind, id, valid_from, ordinal)
) WITH (fillfactor = 85);

-- No index holds what changes with each fact that says the same again.
CREATE INDEX identities_customer_idx ON raphus.identities (customer_id, first_position)
    WHERE customer_id IS NOT NULL;
CREATE INDEX identities_order_idx ON raphus.identities (first_position)
    WHERE customer_id IS NOT NULL;
CREATE INDEX identities_email_idx ON raphus.identities (email_folded)
    WHERE email_folded IS NOT NULL;
CREATE INDEX identities_metadata_idx ON raphus.identities
    USING gin (metadata jsonb_path_ops) WITH (fastupdate = off) WHERE metadata <> '{}';
CREATE INDEX identities_customer_metadata_idx ON raphus.identities
    USING gin (customer_metadata jsonb_path_ops) WITH (fastupdate = off)
    WHERE customer_metadata <> '{}';

COMMENT ON TABLE raphus.identities IS
    'What each thing said of its customer, from valid_from up to, but not at, valid_to (null: until now).';

CREATE OR REPLACE VIEW raphus.active_subscriptions AS
SELECT
    business_id, status, folded_status, observed_status, drift, history, refused, occurred_at,
    created_at, customer_id, subscription_id, product_id, quantity, currency,
    recurring_pre_tax_amount, tax_inclusive, payment_frequency_count, payment_frequency_interval,
    subscription_period_count, subscription_period_interval, trial_period_days, on_demand,
    discount_id, previous_billing_date, next_billing_date, past_due_ends_at,
    cancel_at_next_billing_date, cancelled_at, expires_at, anomaly, metadata
FROM raphus.subscriptions
WHERE status = 'active'
    OR status = 'past_due' AND coalesce(past_due_ends_at > now(), true);

-- Of each field the newest fact counts that says it, by the order of the timeline; what follows the
-- webhook-id tells apart what several bodies under one say.
CREATE VIEW raphus.customer_identities AS
SELECT
    business_id,
    customer_id,
    (array_agg(email ORDER BY place DESC) FILTER (WHERE email IS NOT NULL))[1] AS email,
    (array_agg(name ORDER BY place DESC) FILTER (WHERE name IS NOT NULL))[1] AS name,
    (array_agg(phone_number ORDER BY place DESC) FILTER (WHERE phone_number IS NOT NULL))[1]
        AS phone_number,
    (array_agg(customer_metadata ORDER BY place DESC)
        FILTER (WHERE customer_metadata IS NOT NULL))[1] AS metadata,
    jsonb_strip_nulls(jsonb_build_object(
        'email', (array_agg(source ORDER BY place DESC) FILTER (WHERE email IS NOT NULL))[1],
        'name', (array_agg(source ORDER BY place DESC) FILTER (WHERE name IS NOT NULL))[1],
        'phone_number',
        (array_agg(source ORDER BY place DESC) FILTER (WHERE phone_number IS NOT NULL))[1],
        'metadata',
        (array_agg(source ORDER BY place DESC) FILTER (WHERE customer_metadata IS NOT NULL))[1]
    )) AS sources,
    min(valid_from) FILTER (WHERE kind = 'notice') AS first_noticed_at,
    max(valid_from) FILTER (WHERE kind = 'notice') AS last_noticed_at
FROM (
    SELECT
        business_id, customer_id, kind, valid_from, email, name, phone_number, customer_metadata,
        ROW (
            occurred_at, rank, webhook_id COLLATE "C", valid_from, ordinal,
            stream_id COLLATE "C", kind COLLATE "C", id COLLATE "C"
        ) AS place,
        jsonb_build_object('webhook_id', webhook_id, 'occurred_at', occurred_at) AS source
    FROM raphus.identities
    WHERE customer_id IS NOT NULL
) AS said
GROUP BY business_id, customer_id;

COMMENT ON VIEW raphus.customer_identities IS
    'Who each customer is; sources has the webhook that said each field.';

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
    coalesce((array_agg(sources) FILTER (WHERE sources IS NOT NULL))[1], '{}') AS sources
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
        NULL::jsonb AS metadata, NULL::jsonb AS sources
    FROM raphus.customer_objects
    GROUP BY business_id, customer_id, currency
    UNION ALL
    SELECT
        business_id, customer_id, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        NULL, NULL, 0, 0, first_noticed_at, last_noticed_at,
        email, name, phone_number, metadata, sources
    FROM raphus.customer_identities
) AS parts
GROUP BY business_id, customer_id
-- Nothing that is there names a customer who was named once and is not any more.
HAVING count(first_seen_at) + count(first_noticed_at) > 0;

COMMENT ON VIEW raphus.customers IS
    'Every customer: counts, totals by currency in minor units, and who it is by the newest facts.';
