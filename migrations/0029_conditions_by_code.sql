-- A subscription has a condition for each of its payments. What one rule asks of them, such as the
-- ends that a payment may lie behind, is found by its code, and not among all of them for each.

DROP INDEX raphus.anomaly_spans_about_idx;
CREATE INDEX anomaly_spans_about_idx ON raphus.anomaly_spans (business_id, about, code)
    WHERE about <> '';
