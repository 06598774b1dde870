-- What is told of bookings and paid for them, each kept; the card that shows one, and what calendars know of it.

ALTER TABLE bookings ADD COLUMN party_id TEXT;
-- The message that is its card.
ALTER TABLE bookings ADD COLUMN card_id TEXT;
ALTER TABLE bookings ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;

CREATE INDEX bookings_newest ON bookings (tenant_id, created_at, booking_id);

-- `details`, sealed: what is booked. In the order in which it came; `happened_at` says what was first.
CREATE TABLE booking_news (
    position     BIGSERIAL PRIMARY KEY,
    news_id      TEXT NOT NULL UNIQUE,
    tenant_id    TEXT NOT NULL,
    booking_id   TEXT NOT NULL,
    kind         TEXT NOT NULL,
    happened_at  BIGINT NOT NULL,
    details      BYTEA NOT NULL
);

CREATE INDEX booking_news_of ON booking_news (tenant_id, booking_id, position);

-- `details`, sealed: how much. A payment may come before its booking.
CREATE TABLE booking_payments (
    position    BIGSERIAL PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    payment_id  TEXT NOT NULL,
    booking_id  TEXT NOT NULL,
    details     BYTEA NOT NULL,
    UNIQUE (tenant_id, payment_id)
);

CREATE INDEX booking_payments_of ON booking_payments (tenant_id, booking_id, position);

UPDATE bookings SET created_at = updated_at;
