-- An entry of a ledger of credits is named by when it was made, too: one that is told again is told with the same
-- time, so that it is known from those next to it in the ledger whether an entry was told before.
ALTER TABLE raphus.credit_entries
    DROP CONSTRAINT credit_entries_pkey,
    ADD CONSTRAINT credit_entries_pkey PRIMARY KEY (stream_id, created_at, id);
-- The key serves what this index did.
DROP INDEX raphus.credit_entries_stream_idx;
