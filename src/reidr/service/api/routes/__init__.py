"""The paths of the search service, by what they are about. docs/service.md lists them all."""
