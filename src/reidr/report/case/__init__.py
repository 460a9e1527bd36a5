"""The page of a search of a gallery and of a case, and what leaves the house: tables and blurred pictures."""
