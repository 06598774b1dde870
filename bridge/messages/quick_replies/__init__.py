"""What people have ready to say: their own, and everybody's of a tenant."""
