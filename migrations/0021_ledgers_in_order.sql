-- The entries of one account's ledger, page by page in the order in which they were made.
CREATE INDEX credit_entries_stream_idx ON raphus.credit_entries (stream_id, created_at);
