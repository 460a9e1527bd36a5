"""How many wrong crops stand before each match: counted in one pass, with ties, re-ranked lists and compiled loops."""
