"""Reading the right word: P(same) from the words alone, and the loss of the word that should have been said."""
