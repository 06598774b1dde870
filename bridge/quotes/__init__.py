"""What vendors offer for how much, in revisions; hosts accept, once it was repeated to them, or decline."""
