"""What infra/ counts and when it raises an alarm, read from its own files: terraform itself works them out."""

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

INFRA = Path(__file__).parents[2] / "infra"
NAME = "hark"  # what the variable `name` is by default
_FILES = ("alerts.tf", "metrics.tf", "objectives.tf")
_LOCALS = re.compile(r"^locals \{$.*?^\}$", re.MULTILINE | re.DOTALL)

_ASKED = {
    "alerts": "alerts",
    "counters": "counters",
    "burns": "burns",
    "objective": "objective",
    "prefix": "promql_prefix",
}


@dataclass(frozen=True)
class Counter:
    """A metric of logs: which entries it counts, and by which of their fields."""

    metric: str
    filter: str
    labels: Sequence[str]


@dataclass(frozen=True)
class Condition:
    """alert: its title; query: in PromQL, which has a result while it holds; seconds: that it must hold for"""

    alert: str
    name: str
    query: str
    seconds: float

    @property
    def anchor(self) -> str:
        """Of its section in docs/operations.md."""
        return re.sub(r"[^a-z0-9 -]", "", f"{NAME}: {self.alert}".lower()).replace(" ", "-")


def read(functions: Sequence[str]) -> tuple[Sequence[Counter], Sequence[Condition]]:
    """Raises CalledProcessError when terraform cannot work them out."""
    services = {name: f"{NAME}-{name.replace('_', '-')}" for name in functions}
    texts = [block for name in _FILES for block in _LOCALS.findall((INFRA / name).read_text())]
    head = f'variable "name" {{\n  default = "{NAME}"\n}}\nlocals {{\n  services = {json.dumps(services)}\n}}\n'
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.tf").write_text(head + "\n".join(texts) + "\n")
        asked = f"jsonencode({{ {', '.join(f'{name} = local.{local}' for name, local in _ASKED.items())} }})"
        console = subprocess.run(
            ["terraform", "console"], cwd=folder, input=asked, check=True, capture_output=True, text=True
        )
    found = json.loads(json.loads(console.stdout))
    prefix = found["prefix"]
    counters = [Counter(prefix + name, each["filter"], each["labels"]) for name, each in found["counters"].items()]
    conditions = [
        Condition(alert["name"], name, condition["query"], condition["seconds"])
        for alert in found["alerts"].values()
        for name, condition in alert["conditions"].items()
    ]
    burns = [_burn(name, burn, prefix, found["objective"]) for name, burn in found["burns"].items()]
    return counters, [*conditions, *burns]


def _burn(name: str, burn: Mapping[str, str | float], prefix: str, objective: float) -> Condition:
    """Cloud Monitoring's burn rate of a request-based objective: the share that missed it, by what may."""
    rates = []
    for window in (burn["long"], burn["short"]):
        missed, in_time = (f"(sum(increase({prefix}{side}[{window}])) or vector(0))" for side in ("missed", "in_time"))
        rates.append(f"{missed} / ({missed} + {in_time}) / {1 - objective:g} > {burn['rate']}")
    alert = f"deliveries are late, the objective's margin burns {name}"
    return Condition(alert, f"over {burn['long']} and {burn['short']}", " and ".join(f"({rate})" for rate in rates), 0)
