-- Access: how fresh an answer is about a business, and what the views that count by status count.
-- Whether somebody has access is asked at /v1/access, by the merchant's policy.

CREATE INDEX timeline_business_idx ON raphus.timeline (business_id, position);

COMMENT ON VIEW raphus.active_subscriptions IS
    'The subscriptions that are active by status, or past due within the grace; access by the policy is asked at /v1/access.';
COMMENT ON COLUMN raphus.customer_objects.gives_access IS
    'Of a subscription: active by status, or past due within the grace; access by the policy is asked at /v1/access.';
COMMENT ON COLUMN raphus.customers.active_subscriptions IS
    'The subscriptions that are active by status, or past due within the grace; access by the policy is asked at /v1/access.';
