-- Stored folds: what the first events of a long stream add up to, from which the follower goes on instead
-- of reading them all again. Each can be made anew from the log, and says what these events said of
-- persons: whatever changes an event, or its stream, takes the stored fold away in the same transaction,
-- whichever release does it.

CREATE TABLE raphus.folds (
    stream_id text PRIMARY KEY,
    -- Another one each time that it is written: by it a copy in memory is known.
    token uuid NOT NULL,
    -- Of the program that wrote it, and that alone can go on from it.
    release text NOT NULL,
    -- The stream's, and the place of the event with it in the log: of the events up to there, the fold
    -- stands for all but those with the versions that are open.
    version bigint NOT NULL,
    position bigint NOT NULL,
    open bigint[] NOT NULL,
    fold bytea NOT NULL
) WITH (fillfactor = 70);

COMMENT ON TABLE raphus.folds IS
    'What the first events of long streams add up to: made from the log, and gone when it changes.';

CREATE FUNCTION raphus.folds_of_changed_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM raphus.folds AS f USING changed AS e
    WHERE f.stream_id IN (
        e.originator_id,
        (SELECT h.stream_id FROM raphus.homes AS h WHERE h.position = e.notification_id)
    );
    RETURN NULL;
END
$$;

CREATE TRIGGER folds_of_changed_events AFTER UPDATE ON raphus.ledger_events
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT
    EXECUTE FUNCTION raphus.folds_of_changed_events();

CREATE TRIGGER folds_of_deleted_events AFTER DELETE ON raphus.ledger_events
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT
    EXECUTE FUNCTION raphus.folds_of_changed_events();

CREATE FUNCTION raphus.folds_of_new_homes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM raphus.folds AS f USING moved AS h WHERE f.stream_id = h.stream_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER folds_of_new_homes AFTER INSERT ON raphus.homes
    REFERENCING NEW TABLE AS moved FOR EACH STATEMENT
    EXECUTE FUNCTION raphus.folds_of_new_homes();

CREATE FUNCTION raphus.folds_of_no_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM raphus.folds;
    RETURN NULL;
END
$$;

CREATE TRIGGER folds_of_no_events AFTER TRUNCATE ON raphus.ledger_events
    FOR EACH STATEMENT EXECUTE FUNCTION raphus.folds_of_no_events();
