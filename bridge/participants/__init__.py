"""People: hosts, vendors, staff; who they are and where they can be reached."""
