-- What is wrong, and from when until when. The first table has a row for each condition of each thing,
-- also for what will be wrong at a time to come unless something comes before: so nothing need run when
-- time passes. `about` is empty where a row is an anomaly by itself; else the row is half of one,
-- and the second table has what two of them make together. Times are those of occurrence; what a
-- late webhook tells corrects the past, so rows may change and go.

CREATE TABLE raphus.anomaly_spans (
    stream_id text NOT NULL,
    ordinal bigint NOT NULL,
    code text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    business_id text NOT NULL,
    about text NOT NULL,
    customer_id text,
    opened_at timestamptz NOT NULL,
    settled_at timestamptz,
    began_at timestamptz,
    amount bigint,
    currency text,
    objects jsonb NOT NULL,
    evidence jsonb NOT NULL,
    -- Halves have none: what the planner knows of spans is then of anomalies alone, few of which are open.
    span tstzrange GENERATED ALWAYS AS (
        CASE WHEN about = '' THEN tstzrange(opened_at, settled_at, '[)') END
    ) STORED,
    PRIMARY KEY (stream_id, ordinal)
);

CREATE TABLE raphus.joint_anomalies (
    stream_id text NOT NULL,
    code text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    business_id text NOT NULL,
    about text NOT NULL,
    customer_id text,
    opened_at timestamptz NOT NULL,
    settled_at timestamptz,
    began_at timestamptz,
    amount bigint,
    currency text,
    objects jsonb NOT NULL,
    evidence jsonb NOT NULL,
    span tstzrange NOT NULL
        GENERATED ALWAYS AS (tstzrange(opened_at, settled_at, '[)')) STORED,
    PRIMARY KEY (stream_id, code, about, opened_at)
);

-- What is open at an instant, and what may belong together.
CREATE INDEX anomaly_spans_span_idx ON raphus.anomaly_spans USING gist (span) WHERE about = '';
CREATE INDEX anomaly_spans_about_idx ON raphus.anomaly_spans (business_id, about) WHERE about <> '';
CREATE INDEX joint_anomalies_span_idx ON raphus.joint_anomalies USING gist (span);
CREATE INDEX joint_anomalies_about_idx ON raphus.joint_anomalies (business_id, about);

CREATE VIEW raphus.anomalies AS
SELECT
    business_id, code, kind, id, customer_id, opened_at, settled_at, amount, currency, objects,
    evidence, span, stream_id, about
FROM raphus.anomaly_spans WHERE about = ''
UNION ALL
SELECT
    business_id, code, kind, id, customer_id, opened_at, settled_at, amount, currency, objects,
    evidence, span, stream_id, about
FROM raphus.joint_anomalies;

COMMENT ON VIEW raphus.anomalies IS
    'What was wrong, is, or will be if nothing comes; open at an instant t is what has span @> t.';
COMMENT ON TABLE raphus.anomaly_spans IS
    'From when until when the condition of each rule about one thing held; anomalies are in the view.';
