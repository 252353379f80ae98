-- Whether rapid dispute resolution has settled a dispute, which then begins with its end.

ALTER TABLE raphus.disputes ADD COLUMN is_resolved_by_rdr boolean;

CREATE OR REPLACE VIEW raphus.open_disputes AS
SELECT
    d.business_id, d.status, d.folded_status, d.observed_status, d.drift, d.history, d.refused,
    d.occurred_at, d.created_at, coalesce(d.customer_id, p.customer_id) AS customer_id,
    d.dispute_id, d.payment_id, d.amount, d.currency, d.stage, d.dispute_stage,
    d.dispute_status, d.reason, d.remarks, d.is_resolved_by_rdr
FROM raphus.disputes AS d
LEFT JOIN raphus.payments AS p
    ON p.payment_id = d.payment_id AND p.business_id = d.business_id
WHERE d.status IN ('opened', 'challenged');
