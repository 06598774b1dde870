from tests.appservice.encryption.conftest import template

__all__ = ["template"]
