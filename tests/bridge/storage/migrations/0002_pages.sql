CREATE TABLE pages (note TEXT NOT NULL REFERENCES notes (name), number BIGINT NOT NULL, PRIMARY KEY (note, number));
