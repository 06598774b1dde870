"""What people have marked for themselves. Nobody else sees it, and no room shows it."""
