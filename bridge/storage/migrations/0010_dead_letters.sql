-- Dead letters are listed, and there are few of them among all that was done.

CREATE INDEX inbox_dead ON inbox (created_at, seq) WHERE state = 'dead';
CREATE INDEX outbox_dead ON outbox (created_at, seq) WHERE state = 'dead';
