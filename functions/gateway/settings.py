"""The gateway's own settings: whom it trusts to say who calls."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from shared.runtime.settings import BaseUrl, IssuerUrl, Settings, listed

GOOGLE = "https://accounts.google.com"
IDENTITY_AWARE_PROXY = "https://cloud.google.com/iap"
"""The issuer of what it signs."""


class GatewaySettings(Settings):
    """callers_database: where callers and their usage are; None: with all other records

    ingress: who reaches the function, in Cloud Run's words (https://cloud.google.com/run/docs/securing/ingress)

    audit_days: how long the audit log is kept

    iap_audience: what Identity-Aware Proxy signs for, as it names it; None: nobody signs in by it
    lab_url: of the lab that stands in for the providers; the console links to its inbox
    """

    callers_database: str | None = Field(default=None, pattern=r"^(\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9])$")
    ingress: Literal["all", "internal", "internal-and-cloud-load-balancing"] = "all"
    audit_days: int = Field(default=365, ge=1, le=3650)
    lab_url: BaseUrl | None = None
    behind_load_balancer: bool = False
    load_balancer_secret: SecretStr | None = Field(default=None, min_length=16)
    oidc_issuers: Annotated[tuple[IssuerUrl, ...], BeforeValidator(listed), Field(min_length=1)] = (GOOGLE,)
    oidc_audience: str | None = None
    iap_audience: str | None = Field(default=None, pattern=r"^/projects/[1-9][0-9]*/[!-~]+$")

    @property
    def token_issuers(self) -> tuple[str, ...]:
        """Whose tokens a caller may be known by."""
        return self.oidc_issuers if self.iap_audience is None else (*self.oidc_issuers, IDENTITY_AWARE_PROXY)

    @model_validator(mode="after")
    def _certificates_are_the_load_balancers(self) -> Self:
        """Whoever reaches the gateway past the load balancer could write its headers."""
        if self.behind_load_balancer and self.ingress == "all":
            raise ValueError(
                "BEHIND_LOAD_BALANCER trusts the load balancer's headers about client certificates, which with "
                "INGRESS=all anybody could send: set INGRESS to what the function is deployed with, "
                "internal-and-cloud-load-balancing"
            )
        if self.behind_load_balancer and self.load_balancer_secret is None:
            raise ValueError(
                "BEHIND_LOAD_BALANCER needs LOAD_BALANCER_SECRET: without it whoever is in the project's network could "
                "send the load balancer's headers about client certificates"
            )
        if self.load_balancer_secret is not None and not self.behind_load_balancer:
            raise ValueError("LOAD_BALANCER_SECRET says nothing without BEHIND_LOAD_BALANCER=true")
        return self
