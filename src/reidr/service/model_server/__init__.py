"""The model server (`reidr serve-model`): an OpenAI-compatible API around one reasoner.

Needs the extra `service` (FastAPI and uvicorn). `server.ModelServer` runs it; docs/servers.md ("Serving a
model") says how it behaves.
"""
