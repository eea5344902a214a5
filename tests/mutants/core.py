"""What is mutated, and the fast tests that are to catch it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]

CORE: dict[str, tuple[str, ...]] = {
    "shared/model.py": ("tests/unit/test_model.py", "tests/unit/test_state_records.py"),
    "shared/state.py": ("tests/unit/test_state_records.py", "tests/unit/test_state.py"),
    "shared/pipeline.py": ("tests/unit/test_pipeline.py", "tests/unit/test_telemetry.py", "tests/unit/test_order.py"),
    "shared/receipts.py": ("tests/unit/test_reported.py", "tests/unit/test_receipts.py"),
    "shared/batches.py": ("tests/unit/test_batches.py",),
    "functions/relay/main.py": ("tests/unit/test_relay_function.py",),
    "functions/relay/relay.py": (
        "tests/unit/test_relay.py",
        "tests/unit/test_telemetry.py",
        "tests/unit/test_order.py",
    ),
    "functions/relay/receipts.py": (
        "tests/unit/test_receipts.py",
        "tests/unit/test_reported.py",
        "tests/unit/test_order.py",
    ),
    "functions/dead_letter/dead_letter.py": ("tests/unit/test_dead_letter.py", "tests/unit/test_order.py"),
    "functions/gateway/accept.py": ("tests/unit/test_accepting.py", "tests/unit/test_accept.py"),
    "functions/gateway/callers.py": ("tests/unit/test_callers.py", "tests/unit/test_shadows.py"),
    "functions/gateway/identity.py": ("tests/unit/test_identity.py", "tests/unit/test_callers.py"),
    "functions/gateway/keys.py": ("tests/unit/test_identity.py", "tests/unit/test_callers.py"),
    "functions/gateway/limits.py": ("tests/unit/test_limits.py", "tests/unit/test_accepting.py"),
}
"""By file: the tests, as pytest takes them. Of these a mutant is shown to those that call what it changes."""
