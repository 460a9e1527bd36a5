"""What the model server and the search service share: bounded requests, errors that are answers, an end in order."""
