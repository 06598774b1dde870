-- The ratchet before the first message whose key a device could not be given, for want of a one-time key.
ALTER TABLE session_shares ADD COLUMN ratchet TEXT;
