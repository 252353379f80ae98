-- Anomalies: what Dodo says after an end that it documents as final. A subscription tells of it, and
-- it is listed with what is refused.

ALTER TABLE raphus.subscriptions ADD COLUMN anomaly text;

CREATE OR REPLACE VIEW raphus.active_subscriptions AS
SELECT
    business_id, status, folded_status, observed_status, drift, history, refused, occurred_at,
    created_at, customer_id, subscription_id, product_id, quantity, currency,
    recurring_pre_tax_amount, tax_inclusive, payment_frequency_count, payment_frequency_interval,
    subscription_period_count, subscription_period_interval, trial_period_days, on_demand,
    discount_id, previous_billing_date, next_billing_date, past_due_ends_at,
    cancel_at_next_billing_date, cancelled_at, expires_at, anomaly
FROM raphus.subscriptions
WHERE status = 'active'
    OR status = 'past_due' AND coalesce(past_due_ends_at > now(), true);

DROP INDEX raphus.timeline_refused_idx;
CREATE INDEX timeline_refused_idx ON raphus.timeline (position)
    WHERE verdict IN ('refused', 'anomaly');

CREATE OR REPLACE VIEW raphus.refusals AS
SELECT
    business_id, kind, id, webhook_id, type, occurred_at, recorded_at, position, reason,
    from_status AS status, verdict
FROM raphus.timeline
WHERE verdict IN ('refused', 'anomaly');

COMMENT ON VIEW raphus.refusals IS
    'The facts that are no valid transitions now; status is the one that was kept.';
