"""API keys: each opens one tenant to a program, until it is revoked. Only hashes are kept."""
