"""Who may ask, how often, how much at one time, and whether it was asked before."""
