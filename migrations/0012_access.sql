-- Access: what each customer has, in one table, since it is asked at every turn of a merchant's
-- site; how fresh an answer is about a business; and what the views that count by status count.

CREATE TABLE raphus.holdings (
    stream_id text NOT NULL,
    first_position bigint NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    business_id text NOT NULL,
    customer_id text,
    payment_id text,
    holding text NOT NULL,
    PRIMARY KEY (stream_id, kind, id)
) WITH (fillfactor = 85);

CREATE INDEX holdings_customer_idx ON raphus.holdings (customer_id, first_position);
CREATE INDEX holdings_dispute_idx ON raphus.holdings (payment_id) WHERE kind = 'dispute';
CREATE INDEX timeline_business_idx ON raphus.timeline (business_id, position);

COMMENT ON TABLE raphus.holdings IS
    'What each customer has, as JSON: the kind, the object, since when its status stands, and the newest fact about it that is not refused, with its time.';
COMMENT ON VIEW raphus.active_subscriptions IS
    'The subscriptions that are active by status, or past due within the grace; access by the policy is asked at /v1/access.';
COMMENT ON COLUMN raphus.customer_objects.gives_access IS
    'Of a subscription: active by status, or past due within the grace; access by the policy is asked at /v1/access.';
COMMENT ON COLUMN raphus.customers.active_subscriptions IS
    'The subscriptions that are active by status, or past due within the grace; access by the policy is asked at /v1/access.';
