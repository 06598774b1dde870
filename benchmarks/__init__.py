"""What the bridge costs beside the bare homeserver: everything is measured against it in one run. `make bench`."""
