-- What is looked for often, among much that is not looked for.

CREATE INDEX tracked_users_stale ON tracked_users (user_id) WHERE stale = 1;
CREATE INDEX outbound_sessions_by_id ON outbound_sessions (session_id);
CREATE INDEX outbound_sessions_of ON outbound_sessions (sender);
CREATE INDEX bookings_of ON bookings (conversation_id);
