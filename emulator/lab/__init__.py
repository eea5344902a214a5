"""The lab: fake providers that the real SDKs talk to, with faults, an inbox and a witness file."""
