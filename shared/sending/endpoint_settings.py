"""The settings of whoever has to do with endpoints' secrets."""

from typing import Self

from pydantic import SecretStr, model_validator

from shared.runtime.settings import Settings, listed
from shared.sending.endpoints import SHORTEST_KEY, EndpointSecrets


class EndpointSettings(Settings):
    """endpoint_keys: several with commas between, of which the first makes new secrets, and each those it has made"""

    pubsub_emulator_host: str | None = None
    firestore_emulator_host: str | None = None
    endpoint_keys: SecretStr | None = None

    @model_validator(mode="after")
    def _keys_are_long(self) -> Self:
        if self.endpoint_keys is None:
            if self.firestore_emulator_host is None:
                raise ValueError("ENDPOINT_KEYS is needed: the secrets of endpoints are made of it")
            return self
        keys = listed(self.endpoint_keys.get_secret_value())
        if not keys or any(len(key) < SHORTEST_KEY for key in keys):
            raise ValueError(f"ENDPOINT_KEYS: each key must have at least {SHORTEST_KEY} characters")
        return self

    @property
    def loopback(self) -> bool:
        """Whether endpoints may be on this machine: beside the emulators alone."""
        return self.firestore_emulator_host is not None and self.pubsub_emulator_host is not None

    def secrets(self) -> EndpointSecrets:
        keys = ["beside the emulator"]
        return EndpointSecrets(listed(self.endpoint_keys.get_secret_value()) if self.endpoint_keys else keys)
