"""The HTTP edge: applications, problem documents, inputs, OpenAPI, health."""
