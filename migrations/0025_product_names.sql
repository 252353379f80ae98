-- The name of a product stands beside its id in views, too: the one that it has now, null where
-- Dodo's API has not told it. Whoever does not select the names pays nothing for them.

CREATE OR REPLACE VIEW raphus.active_subscriptions AS
SELECT
    s.business_id, s.status, s.folded_status, s.observed_status, s.drift, s.history, s.refused,
    s.occurred_at, s.created_at, s.customer_id, s.subscription_id, s.product_id, s.quantity,
    s.currency, s.recurring_pre_tax_amount, s.tax_inclusive, s.payment_frequency_count,
    s.payment_frequency_interval, s.subscription_period_count, s.subscription_period_interval,
    s.trial_period_days, s.on_demand, s.discount_id, s.previous_billing_date, s.next_billing_date,
    s.past_due_ends_at, s.cancel_at_next_billing_date, s.cancelled_at, s.expires_at, s.anomaly,
    s.metadata, s.addons, s.meters, s.discounts, s.scheduled_change, s.paused_at,
    s.payment_method_id, s.trial_amount, s.cancelled_by, s.cancellation_feedback,
    s.cancellation_comment, s.tax_id, s.settled, s.missing_since,
    p.name AS product_name, to_come.name AS scheduled_product_name
FROM raphus.subscriptions AS s
LEFT JOIN raphus.products AS p
    ON p.product_id = s.product_id AND p.business_id = s.business_id
LEFT JOIN raphus.products AS to_come
    ON to_come.product_id = s.scheduled_change ->> 'product_id'
    AND to_come.business_id = s.business_id
WHERE s.status = 'active'
    OR s.status = 'past_due' AND coalesce(s.past_due_ends_at > now(), true);

CREATE OR REPLACE VIEW raphus.license_key_standings AS
SELECT
    t.business_id, t.id, t.customer_id, t.product_id, t.payment_id, t.subscription_id,
    CASE WHEN g.status = 'revoked' AND t.status = 'active' THEN 'disabled' ELSE t.status END AS status,
    t.status AS own_status, g.id AS grant_id, g.status AS grant_status, g.revocation_reason,
    p.name AS product_name
FROM raphus.license_keys AS t
LEFT JOIN LATERAL (
    SELECT id, status, revocation_reason FROM raphus.entitlement_grants
    WHERE license_key_id = t.id AND business_id = t.business_id
    ORDER BY created_at DESC, id COLLATE "C" DESC LIMIT 1
) AS g ON true
LEFT JOIN raphus.products AS p
    ON p.product_id = t.product_id AND p.business_id = t.business_id;
