"""The Matrix side of the bridge: the only importer of mautrix and vodozemac; decides no rule of a conversation."""
