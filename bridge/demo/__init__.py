"""The product on one machine in a minute: a private homeserver, real encrypted clients, a platform."""
