"""The aiohttp toolkit of the REST API: bodies, problems, serving. It knows no feature."""
