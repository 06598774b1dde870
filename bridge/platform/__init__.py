"""The edge to the event-planning platform: its signed events come in here, stored before answered."""
