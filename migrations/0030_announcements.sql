-- Announcements: events of our own say what has changed. What has been told of it stands here, and is
-- written in the transaction that appends them to the log (application_name 'announcements' in
-- projections_tracking). Where no route asks for them, there is nothing here.

CREATE TABLE raphus.announcing (
    -- What is told of.
    family text PRIMARY KEY CHECK (family IN ('access', 'anomaly')),
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The policy, and the release, by which what has been told was judged.
    policy text NOT NULL,
    release text NOT NULL,
    -- Why everything is looked at anew, if it is, and up to which customer it has been.
    sweep text CHECK (sweep IN ('beginning', 'policy', 'release', 'clock')),
    swept_to text NOT NULL DEFAULT '',
    -- The latest time as of which something was told for the sake of the time.
    told_to timestamptz
);

COMMENT ON TABLE raphus.announcing IS
    'Since when events of our own are made of access and of anomalies.';

-- A row for each product to which somebody was told to have access: what is not here has none.
CREATE TABLE raphus.announced_access (
    business_id text NOT NULL,
    customer_id text NOT NULL,
    -- Empty where it is access by what names no product.
    product_id text NOT NULL,
    -- When it ends by time alone.
    until timestamptz,
    PRIMARY KEY (customer_id, business_id, product_id)
) WITH (fillfactor = 85);

CREATE INDEX announced_access_until_idx ON raphus.announced_access (until)
    WHERE until IS NOT NULL;

COMMENT ON TABLE raphus.announced_access IS
    'The access that has been told of last, by customer and product.';

-- A row for each anomaly that was told to be open; the names are those of the view of all anomalies.
CREATE TABLE raphus.announced_anomalies (
    stream_id text NOT NULL,
    code text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    about text NOT NULL,
    business_id text NOT NULL,
    -- As it was told.
    told jsonb NOT NULL,
    PRIMARY KEY (stream_id, code, kind, id, about)
);

COMMENT ON TABLE raphus.announced_anomalies IS 'The anomalies that were told to be open.';
