"""How a conversation is named."""

LONGEST_TITLE = 255


def title(party_title: str, vendor_name: str) -> str:
    """What everybody sees as the room's name: people only, no dates, prices or addresses (servers can read it)."""
    return f"{party_title} x {vendor_name}"[:LONGEST_TITLE]
