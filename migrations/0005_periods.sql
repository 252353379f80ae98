-- Validity: from when until when each thing was as it was, for questions about any past instant
-- ("which subscriptions were active on 1 May?"). One shape for all kinds, a partition each, so
-- that each kind is searched by indexes of its own. Times are those of occurrence; what a late
-- webhook tells corrects the past, so rows may change and go.

CREATE TABLE raphus.periods (
    stream_id text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    business_id text NOT NULL,
    first_position bigint NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    status text,
    created_at timestamptz NOT NULL,
    customer_id text,
    payment_id text,
    subscription_id text,
    product_ids text[] NOT NULL,
    amount bigint,
    currency text,
    quantity bigint,
    payment_frequency_count bigint,
    payment_frequency_interval text,
    trial_period_days bigint,
    on_demand boolean,
    valid tstzrange NOT NULL GENERATED ALWAYS AS (tstzrange(valid_from, valid_to, '[)')) STORED,
    PRIMARY KEY (stream_id, kind, id, valid_from)
) PARTITION BY LIST (kind);

CREATE TABLE raphus.subscription_periods
    PARTITION OF raphus.periods FOR VALUES IN ('subscription') WITH (fillfactor = 85);
CREATE TABLE raphus.payment_periods
    PARTITION OF raphus.periods FOR VALUES IN ('payment') WITH (fillfactor = 85);
CREATE TABLE raphus.refund_periods
    PARTITION OF raphus.periods FOR VALUES IN ('refund') WITH (fillfactor = 85);
CREATE TABLE raphus.dispute_periods
    PARTITION OF raphus.periods FOR VALUES IN ('dispute') WITH (fillfactor = 85);
CREATE TABLE raphus.license_key_periods
    PARTITION OF raphus.periods FOR VALUES IN ('license_key') WITH (fillfactor = 85);

-- What held at an instant; the order of a list, where what began later is passed over in the index;
-- what belongs to a customer; what a refund or a dispute finds its payment by, a payment its
-- subscription, and the other way round.
CREATE INDEX periods_valid_idx ON raphus.periods USING gist (valid);
CREATE INDEX periods_order_idx ON raphus.periods (first_position, valid_from);
CREATE INDEX periods_customer_idx ON raphus.periods (customer_id, first_position);
CREATE INDEX periods_id_idx ON raphus.periods (id, business_id);
CREATE INDEX periods_payment_idx ON raphus.periods (payment_id, business_id)
    WHERE payment_id IS NOT NULL;

COMMENT ON TABLE raphus.periods IS
    'What held of each thing, from valid_from up to, but not at, valid_to (null: until now).';
COMMENT ON TABLE raphus.subscription_periods IS
    'What held of each subscription; amount is before tax, for all of quantity, once a payment_frequency.';

-- The read models as known at a position of the log, each set in a schema of its own. What has no
-- row here is not finished, or is being dropped. Unlogged as they are: a crash empties all of it.
CREATE UNLOGGED TABLE raphus.snapshots (
    position bigint PRIMARY KEY,
    used_at timestamptz NOT NULL
);
