"""What hosts ask vendors for: each lead has a thread in their conversation, and comes to what that comes to."""
