"""What `make run` says when all is up: where everything is."""

from emulator.config import GATEWAY, Config
from emulator.rundir import RunDir


def greeting(config: Config, run_dir: RunDir, seconds: float) -> str:
    """seconds: since the start"""
    gateway = config.url(GATEWAY)
    balancer = run_dir.load_balancer
    certificates = (
        f"  client certificates at {balancer.url}; without --cert and --key this is a 401:\n    {balancer.curl}\n"
        if balancer
        else ""
    )
    traces = "  traces     here, each as a tree when no more of it comes\n" if config.traces_on_console else ""
    events = f"  events     to {config.url('lab')}/webhooks/‹name›, say; docs/events.md\n" if config.has_events else ""
    return (
        f"everything is up after {seconds:.1f} s\n"
        f"  gateway    {gateway}\n"
        f"  console    {gateway}/console (its key: HARK_API_KEY in {run_dir.env_file})\n"
        f"  docs       {gateway}/docs\n"
        f"  lab inbox  {config.url('lab')}/\n"
        f"  logs       {run_dir.logs}\n"
        f"{events}"
        f"{traces}"
        f"{certificates}"
        "  Ctrl-C stops it all."
    )
