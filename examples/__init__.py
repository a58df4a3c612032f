"""Examples of what a merchant puts beside the product; nothing of the product imports them."""
