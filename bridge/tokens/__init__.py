"""People's tokens: signed by the tenant's own sign-in service, verified by its published keys, ended by revocation."""
