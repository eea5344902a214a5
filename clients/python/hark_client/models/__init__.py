"""The API's answers as pydantic models; `requests` has what is sent."""

from hark_client.models.audit import AuditEntry, AuditHead
from hark_client.models.base import Answer, Page
from hark_client.models.callers import ApiKey, Caller, NewApiKey, NewCaller, Revoked, WouldRevoke
from hark_client.models.channels import Channel, Provider, WouldHold
from hark_client.models.dead_letters import DeadLetter, Duplicate, DuplicatePair, ReplayedChannel, ReplayPlan
from hark_client.models.endpoints import Endpoint, EventDelivery, SentTest
from hark_client.models.lists import AddedMembers, BroadcastPlan, BroadcastSample, Member, PlannedChannel, RecipientList
from hark_client.models.notifications import (
    Attempt,
    Batch,
    BatchItem,
    Cancelled,
    ChannelVerdict,
    Delivery,
    Explanation,
    Forecast,
    Happening,
    Notification,
    Step,
    UsedTemplate,
)
from hark_client.models.operations import Operation
from hark_client.models.people import (
    Category,
    ImportedSuppressions,
    QuietHours,
    Recipient,
    RowProblem,
    Suppression,
    SuppressionEntry,
)
from hark_client.models.problems import FieldError, ProblemDetails
from hark_client.models.statistics import ChannelStatistics, ProviderFailures, Statistics
from hark_client.models.system import ChannelSetup, SettingProblem, System
from hark_client.models.templates import (
    Misfit,
    Preview,
    Published,
    ScheduledWithIt,
    Template,
    TemplateVersion,
    WouldStop,
)

__all__ = [
    "AddedMembers",
    "Answer",
    "ApiKey",
    "Attempt",
    "AuditEntry",
    "AuditHead",
    "Batch",
    "BatchItem",
    "BroadcastPlan",
    "BroadcastSample",
    "Caller",
    "Cancelled",
    "Category",
    "Channel",
    "ChannelSetup",
    "ChannelStatistics",
    "ChannelVerdict",
    "DeadLetter",
    "Delivery",
    "Duplicate",
    "DuplicatePair",
    "Endpoint",
    "EventDelivery",
    "Explanation",
    "FieldError",
    "Forecast",
    "Happening",
    "ImportedSuppressions",
    "Member",
    "Misfit",
    "NewApiKey",
    "NewCaller",
    "Notification",
    "Operation",
    "Page",
    "PlannedChannel",
    "Preview",
    "ProblemDetails",
    "Provider",
    "ProviderFailures",
    "Published",
    "QuietHours",
    "Recipient",
    "RecipientList",
    "ReplayPlan",
    "ReplayedChannel",
    "Revoked",
    "RowProblem",
    "ScheduledWithIt",
    "SentTest",
    "SettingProblem",
    "Statistics",
    "Step",
    "Suppression",
    "SuppressionEntry",
    "System",
    "Template",
    "TemplateVersion",
    "UsedTemplate",
    "WouldHold",
    "WouldRevoke",
    "WouldStop",
]
