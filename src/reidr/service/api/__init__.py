"""The search service's HTTP interface (`reidr serve`): FastAPI, one queue before the models, one problem for an error.

`app.create_app` makes the application; docs/service.md says how it behaves. Needs the extra `service`.
"""
