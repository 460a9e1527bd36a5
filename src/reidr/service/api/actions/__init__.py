"""What the routes do, once a request is taken."""
