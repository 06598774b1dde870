"""One conversation per tenant, party and vendor: opened once, whoever asks and however often."""
