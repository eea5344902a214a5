"""What is mutated, and the fast tests that are to catch it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]

CORE: dict[str, tuple[str, ...]] = {
    "shared/delivery/model.py": ("tests/unit/test_model.py", "tests/unit/test_state_records.py"),
    "shared/delivery/state_machine.py": ("tests/unit/test_state_records.py", "tests/unit/test_state.py"),
    "shared/sending/pipeline.py": (
        "tests/unit/test_pipeline.py",
        "tests/unit/test_telemetry.py",
        "tests/unit/test_order.py",
    ),
    "shared/sending/receipts.py": ("tests/unit/test_reported.py", "tests/unit/test_receipts.py"),
    "shared/google/rpc_batching.py": ("tests/unit/test_batches.py",),
    "functions/relay/main.py": ("tests/unit/test_relay_function.py",),
    "shared/entrypoint/push_requests.py": (
        "tests/unit/test_relay_function.py",
        "tests/unit/test_push.py",
        "tests/unit/test_push_auth.py",
    ),
    "functions/relay/overdue_deliveries.py": (
        "tests/unit/test_relay.py",
        "tests/unit/test_telemetry.py",
        "tests/unit/test_order.py",
    ),
    "functions/relay/waiting_receipts.py": (
        "tests/unit/test_receipts.py",
        "tests/unit/test_reported.py",
        "tests/unit/test_order.py",
    ),
    "functions/dead_letter/given_up_messages.py": ("tests/unit/test_dead_letter.py", "tests/unit/test_order.py"),
    "shared/delivery/retries.py": ("tests/unit/test_state_records.py", "tests/unit/test_state.py"),
    "functions/gateway/notifications/acceptance.py": ("tests/unit/test_accepting.py", "tests/unit/test_accept.py"),
    "functions/gateway/notifications/addressing.py": ("tests/unit/test_accepting.py", "tests/unit/test_accept.py"),
    "functions/gateway/notifications/idempotency.py": ("tests/unit/test_accepting.py", "tests/unit/test_accept.py"),
    "functions/gateway/channels/addresses.py": ("tests/unit/test_accepting.py", "tests/unit/test_accept.py"),
    "functions/gateway/access/caller.py": ("tests/unit/test_callers.py", "tests/unit/test_shadows.py"),
    "functions/gateway/access/authentication.py": ("tests/unit/test_identity.py", "tests/unit/test_callers.py"),
    "functions/gateway/access/api_keys.py": ("tests/unit/test_identity.py", "tests/unit/test_callers.py"),
    "functions/gateway/access/caller_quotas.py": ("tests/unit/test_limits.py", "tests/unit/test_accepting.py"),
}
"""By file: the tests, as pytest takes them. Of these a mutant is shown to those that call what it changes."""
