-- Tables of these tests alone; this line ends in a semicolon;
CREATE TABLE notes (
    seq   BIGSERIAL PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE,
    body  BYTEA
);

CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL); -- a second statement
INSERT INTO counters (name, value) VALUES ('only', 0);
