-- Failed payments of the last days, among those of all time that keep their status.
CREATE INDEX payments_failed_idx ON raphus.payments (created_at) WHERE status = 'failed';
