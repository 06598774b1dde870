"""What `festimo doctor` looks at on the Matrix side: both ways between the servers, our keys, and a round trip."""
