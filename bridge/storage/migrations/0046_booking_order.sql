-- News of bookings without a time of its own counts in the order in which it was accepted, whatever the clock did.

-- Its place among all that was accepted; NULL: the platform says when it happened, or an earlier version took it in.
ALTER TABLE booking_news ADD COLUMN accepted BIGINT;

-- `seq` when it was accepted, of a dead letter that has another place since it was replayed.
ALTER TABLE inbox ADD COLUMN first_seq BIGINT;
