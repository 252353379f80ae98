-- What a payment can be checked against: whether tax is in an amount, and what keeps it from being what
-- is charged. Rows that were written before are without these until a rebuild.

ALTER TABLE raphus.payments ADD COLUMN discounts jsonb NOT NULL DEFAULT '[]';
ALTER TABLE raphus.periods
    ADD COLUMN tax_inclusive boolean,
    ADD COLUMN obstacle text;

-- Payments that do not fit what was to be paid. What a payment is measured by is in other streams (its
-- subscription's, and its products'), so a row follows from the read models of several.

CREATE TABLE raphus.unfit_payments (
    stream_id text NOT NULL,
    code text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    business_id text NOT NULL,
    about text NOT NULL,
    customer_id text,
    opened_at timestamptz NOT NULL,
    settled_at timestamptz,
    began_at timestamptz,
    amount bigint,
    currency text,
    objects jsonb NOT NULL,
    evidence jsonb NOT NULL,
    span tstzrange NOT NULL
        GENERATED ALWAYS AS (tstzrange(opened_at, settled_at, '[)')) STORED,
    PRIMARY KEY (id, business_id)
);

CREATE INDEX unfit_payments_span_idx ON raphus.unfit_payments USING gist (span);
CREATE INDEX unfit_payments_stream_idx ON raphus.unfit_payments (stream_id);
-- What was charged for a subscription since something of it has changed.
CREATE INDEX payments_charges_idx ON raphus.payments (subscription_id, created_at)
    WHERE subscription_id IS NOT NULL;

CREATE OR REPLACE VIEW raphus.anomalies AS
SELECT
    business_id, code, kind, id, customer_id, opened_at, settled_at, amount, currency, objects,
    evidence, span, stream_id, about
FROM raphus.anomaly_spans WHERE about = ''
UNION ALL
SELECT
    business_id, code, kind, id, customer_id, opened_at, settled_at, amount, currency, objects,
    evidence, span, stream_id, about
FROM raphus.joint_anomalies
UNION ALL
SELECT
    business_id, code, kind, id, customer_id, opened_at, settled_at, amount, currency, objects,
    evidence, span, stream_id, about
FROM raphus.unfit_payments;

COMMENT ON TABLE raphus.unfit_payments IS
    'Payments that do not fit what was to be paid, from when until when; amount is what is too much or too little.';
