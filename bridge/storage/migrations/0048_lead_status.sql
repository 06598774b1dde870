-- Since when a booking is booked, by our clock: a lead is won by what was booked after it came. NULL: it is not booked.
ALTER TABLE bookings ADD COLUMN booked_at BIGINT;

UPDATE bookings SET booked_at = COALESCE((
    SELECT MIN(n.happened_at) FROM booking_news n
    WHERE n.tenant_id = bookings.tenant_id AND n.booking_id = bookings.booking_id
        AND n.kind IN ('confirmed', 'completed') AND n.happened_at >= COALESCE((
            SELECT MAX(c.happened_at) FROM booking_news c
            WHERE c.tenant_id = n.tenant_id AND c.booking_id = n.booking_id AND c.kind = 'cancelled'
        ), 0)
), created_at)
WHERE status IN ('confirmed', 'completed');

-- What was told last of what a lead has come to. NULL: nothing so far, of a lead of an earlier version.
ALTER TABLE leads ADD COLUMN told_status TEXT;
