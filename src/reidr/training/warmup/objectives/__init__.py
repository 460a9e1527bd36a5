"""Training objectives of the warm-up, one file each; `registry.py` names them."""
