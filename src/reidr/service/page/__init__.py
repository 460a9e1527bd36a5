"""The page of the search service: a shell made by Jinja, plain JavaScript modules, one style sheet; nothing from elsewhere."""
