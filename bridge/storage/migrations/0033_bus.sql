-- How far the feed has been published, and to what.
CREATE TABLE published (
    target    TEXT PRIMARY KEY,
    seq       BIGINT NOT NULL,
    event_id  TEXT NOT NULL
);
