"""Who may ask, what was asked, how long footage is kept, and how it is erased."""
