"""Foreign formats, one module each: their units, signs and orders of axes stay here."""
