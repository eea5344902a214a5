"""What is mutated, and the fast tests that are to catch it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]

CORE: dict[str, tuple[str, ...]] = {
    "shared/delivery/model.py": (
        "tests/unit/delivery/test_model.py",
        "tests/unit/delivery/test_state_records.py",
    ),
    "shared/delivery/state_machine.py": (
        "tests/unit/delivery/test_state_records.py",
        "tests/unit/delivery/test_state_machine.py",
        "tests/unit/delivery/test_gate.py",
        "tests/unit/sending/test_gate_in_pipeline.py",
        "tests/unit/sending/test_people_in_pipeline.py",
    ),
    "shared/delivery/gate.py": (
        "tests/unit/delivery/test_gate.py",
        "tests/unit/sending/test_ordering_keys.py",
    ),
    "shared/sending/pipeline.py": (
        "tests/unit/sending/test_pipeline.py",
        "tests/unit/sending/test_channel_states.py",
        "tests/unit/sending/test_breakers.py",
        "tests/unit/sending/test_asking_providers.py",
        "tests/unit/sending/test_gate_in_pipeline.py",
        "tests/unit/runtime/test_telemetry.py",
        "tests/unit/sending/test_order.py",
        "tests/unit/sending/test_suppressing.py",
        "tests/unit/sending/test_people_in_pipeline.py",
        "tests/unit/sending/test_category_at_send.py",
        "tests/unit/sending/test_earlier.py",
    ),
    "shared/people/permission.py": (
        "tests/unit/people/test_permission.py",
        "tests/unit/sending/test_people_in_pipeline.py",
    ),
    "shared/people/quiet_hours.py": ("tests/unit/people/test_quiet_hours.py",),
    "shared/people/suppression.py": (
        "tests/unit/people/test_suppression.py",
        "tests/unit/people/test_suppression_choices.py",
    ),
    "shared/people/frequency.py": ("tests/unit/people/test_permission.py",),
    "shared/sending/asking_people.py": ("tests/unit/sending/test_people_in_pipeline.py",),
    "shared/sending/suppressing.py": (
        "tests/unit/sending/test_suppressing.py",
        "tests/unit/sending/test_people_in_pipeline.py",
    ),
    "shared/sending/receipts.py": (
        "tests/unit/sending/test_suppressing.py",
        "tests/unit/sending/test_reported.py",
        "tests/unit/sending/test_gate_in_pipeline.py",
        "tests/unit/sending/test_receipts.py",
    ),
    "shared/google/rpc_batching.py": ("tests/unit/google/test_rpc_batching.py",),
    "functions/relay/main.py": ("tests/unit/relay/test_main.py",),
    "shared/entrypoint/push_requests.py": (
        "tests/unit/relay/test_main.py",
        "tests/unit/entrypoint/test_push_handler.py",
        "tests/unit/entrypoint/test_push_authentication.py",
    ),
    "functions/relay/overdue_deliveries.py": (
        "tests/unit/relay/test_overdue_deliveries.py",
        "tests/unit/runtime/test_telemetry.py",
        "tests/unit/sending/test_order.py",
    ),
    "functions/relay/waiting_receipts.py": (
        "tests/unit/sending/test_receipts.py",
        "tests/unit/sending/test_reported.py",
        "tests/unit/sending/test_order.py",
    ),
    "functions/dead_letter/given_up_messages.py": (
        "tests/unit/dead_letter/test_given_up_messages.py",
        "tests/unit/sending/test_order.py",
    ),
    "shared/delivery/retries.py": (
        "tests/unit/delivery/test_state_records.py",
        "tests/unit/delivery/test_state_machine.py",
    ),
    "functions/gateway/notifications/acceptance.py": (
        "tests/unit/gateway/notifications/test_special_requests.py",
        "tests/unit/gateway/notifications/test_addressing.py",
        "tests/unit/gateway/notifications/test_acceptance.py",
        "tests/unit/gateway/notifications/test_categories.py",
    ),
    "functions/gateway/notifications/addressing.py": (
        "tests/unit/gateway/notifications/test_special_requests.py",
        "tests/unit/gateway/notifications/test_addressing.py",
        "tests/unit/gateway/notifications/test_acceptance.py",
    ),
    "functions/gateway/notifications/idempotency.py": (
        "tests/unit/gateway/notifications/test_special_requests.py",
        "tests/unit/gateway/notifications/test_addressing.py",
        "tests/unit/gateway/notifications/test_acceptance.py",
    ),
    "functions/gateway/channels/addresses.py": (
        "tests/unit/gateway/notifications/test_addressing.py",
        "tests/unit/gateway/notifications/test_acceptance.py",
    ),
    "functions/gateway/access/caller.py": (
        "tests/unit/gateway/access/test_caller.py",
        "tests/unit/gateway/access/test_credential_precedence.py",
    ),
    "functions/gateway/access/authentication.py": (
        "tests/unit/gateway/access/test_authentication.py",
        "tests/unit/gateway/access/test_caller.py",
    ),
    "functions/gateway/access/api_keys.py": (
        "tests/unit/gateway/access/test_authentication.py",
        "tests/unit/gateway/access/test_caller.py",
    ),
    "functions/gateway/access/caller_quotas.py": (
        "tests/unit/gateway/access/test_caller_quotas.py",
        "tests/unit/gateway/notifications/test_addressing.py",
    ),
}
"""By file: the tests, as pytest takes them. Of these a mutant is shown to those that call what it changes."""
