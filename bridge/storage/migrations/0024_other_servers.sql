-- Messages of devices that another homeserver has not told of yet, and keys that its silence keeps from its devices.

-- Whose devices are known now: what waits for that.
CREATE INDEX undecryptable_events_from ON undecryptable_events (sender);

-- Whom a key is owed of a session that goes on: few, among all that have been given one.
CREATE INDEX session_shares_owed ON session_shares (session_id) WHERE ratchet IS NOT NULL;
