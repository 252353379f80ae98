-- What is earned. Recurring: each change of what a subscription earns a month, told in the book of
-- its customer in one currency; the end of a grace is told ahead. Takings: each payment, refund
-- and dispute at the instant from which it counts, in the currency that it is settled in.

CREATE TABLE raphus.recurring (
    stream_id text NOT NULL,
    book uuid NOT NULL,
    at timestamptz NOT NULL,
    total_change bigint NOT NULL,
    monthly_change bigint NOT NULL,
    yearly_change bigint NOT NULL,
    active_change smallint NOT NULL,
    paying_change smallint NOT NULL,
    trial_change smallint NOT NULL,
    leaves boolean NOT NULL,
    converted boolean NOT NULL,
    kind text,
    currency text,
    product_id text,
    business_id text NOT NULL,
    monthly bigint NOT NULL,
    yearly bigint NOT NULL,
    uncounted text,
    first_position bigint NOT NULL,
    until timestamptz,
    customer_id text,
    subscription_id text NOT NULL,
    PRIMARY KEY (stream_id, at, leaves)
) WITH (fillfactor = 85);

-- Who has begun more than once: the books in which more than one subscription is told. All of a
-- book. A list of a span, and of what stands at an instant in the order of first sight.
CREATE INDEX recurring_new_idx ON raphus.recurring (book, at) WHERE kind = 'new';
CREATE INDEX recurring_book_idx ON raphus.recurring (book, at);
CREATE INDEX recurring_at_idx ON raphus.recurring (at);
CREATE INDEX recurring_order_idx ON raphus.recurring (first_position, at);

COMMENT ON TABLE raphus.recurring IS
    'Each change of what a subscription earns a month and a year, in minor units, from "at" until "until" (null: for good; the end of a grace lies ahead).';

CREATE TABLE raphus.takings (
    stream_id text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    ordinal bigint NOT NULL,
    business_id text NOT NULL,
    at timestamptz NOT NULL,
    customer_id text,
    payment_id text,
    subscription_id text,
    currency text,
    amount bigint,
    settlement_currency text,
    gross bigint,
    tax bigint,
    net_sign smallint NOT NULL,
    PRIMARY KEY (stream_id, kind, id, ordinal)
) WITH (fillfactor = 85);

CREATE INDEX takings_at_idx ON raphus.takings (at);
CREATE INDEX takings_subscription_idx ON raphus.takings (subscription_id, business_id, at)
    WHERE kind = 'payment';
CREATE INDEX takings_payment_idx ON raphus.takings (payment_id, business_id) WHERE kind = 'payment';

COMMENT ON TABLE raphus.takings IS
    'Payments, failures, refunds and what disputes came to, each from when on it counts; gross and tax in minor units of the settlement currency.';
