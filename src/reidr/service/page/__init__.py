"""The page of the search service: a shell made by Jinja, plain JavaScript modules and one style sheet."""
