-- Who is signed in to the console: each session belongs to the key that was given for it.

-- Not in the write-ahead log, and in no backup: whoever loses his session signs in again.
CREATE UNLOGGED TABLE raphus.console_sessions (
    -- SHA-256 of the cookie's token, which is random.
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    -- Of a key that was made: its hash, as `api_keys` has it. When it is revoked, nobody finds it.
    key_hash bytea CHECK (octet_length(key_hash) = 32),
    -- Of the key of everything: HMAC-SHA256 of the token by that key. Whoever reads this table has
    -- not the token, and so nothing to try keys against; with another key it proves nothing.
    owner_proof bytea CHECK (octet_length(owner_proof) = 32),
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ends_at timestamptz NOT NULL,
    CHECK (num_nonnulls(key_hash, owner_proof) = 1)
);

COMMENT ON TABLE raphus.console_sessions IS
    'Who is signed in to the console: sessions by the hash of their token, with their key.';
