-- Which process works on this database: `fence` grows with each take-over.

CREATE TABLE leader (
    one    BIGINT PRIMARY KEY,
    fence  BIGINT NOT NULL,
    since  BIGINT NOT NULL
);
