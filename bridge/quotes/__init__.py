"""What vendors offer for how much, in revisions; a host accepts or declines, and what is accepted was repeated first."""
