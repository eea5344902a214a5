"""A request that is made of a template: which version, and what it makes of the request's data for its recipient."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.gateway.notifications.schemas import NotificationRequest
from functions.gateway.rendering.template_model import TemplateVersion, chosen_locale, wanted_locale
from functions.gateway.rendering.templated_content import Templates, mistakes
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import field_error, invalid
from shared.delivery.model import Recipient

if TYPE_CHECKING:
    from functions.gateway.rendering.template_rendering import Rendered


@dataclass(frozen=True, slots=True)
class Templated:
    templates: Templates
    version: TemplateVersion
    request: NotificationRequest

    @property
    def _asked(self) -> str | None:
        return self.request.template.locale if self.request.template else None

    def offers(self, recipient: Recipient | None) -> Collection[str]:
        """The channels that it has something for, in this recipient's locale."""
        chosen = chosen_locale(self.version, wanted_locale(self.version, self._asked, recipient))
        return {*self.version.locales[chosen], *(self.request.content or {})}

    def rendered(self, recipient: Recipient | None, names: Collection[str]) -> "Rendered":
        """For these channels.

        Problem 422: variables that are missing, data that does not fit, texts that cost too much.
        """
        made = self.templates.renderer.render(
            self.version, self.request.data or {}, locale=self._asked, recipient=recipient, names=names
        )
        wrong = mistakes(made)
        if wrong:
            raise invalid(*wrong)
        return made

    def check_offers(self, names: Collection[str], recipient: Recipient | None) -> None:
        """Problem 422: a channel that was asked for, and that it has nothing for."""
        missing = set(names) - set(self.offers(recipient))
        if missing:
            raise invalid(field_error("channels", f"the template has nothing for {', '.join(sorted(missing))}"))


async def templated(gateway: Gateway, request: NotificationRequest) -> Templated | None:
    """None without a template. Problem 422: there is none of this name or version, or it is archived."""
    if request.template is None:
        return None
    version = await gateway.templates.version(request.template.name, request.template.version)
    return Templated(gateway.templates, version, request)
