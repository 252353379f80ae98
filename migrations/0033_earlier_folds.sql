-- Folds of a long stream that were stored before the one in raphus.folds, the further apart the longer ago: what
-- comes late is folded from the newest one that ends before it. Whoever takes that one away takes these away.
ALTER TABLE raphus.folds ADD COLUMN ends_at timestamptz;
COMMENT ON COLUMN raphus.folds.ends_at IS 'When the last of what the fold stands for occurred.';

CREATE TABLE raphus.earlier_folds (
    stream_id text NOT NULL REFERENCES raphus.folds ON DELETE CASCADE,
    version bigint NOT NULL,
    release text NOT NULL,
    position bigint NOT NULL,
    ends_at timestamptz NOT NULL,
    open bigint[] NOT NULL,
    fold bytea NOT NULL,
    PRIMARY KEY (stream_id, version)
);

COMMENT ON TABLE raphus.earlier_folds IS
    'What fewer of the first events of long streams add up to: see raphus.folds.';
