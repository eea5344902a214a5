"""Why the system on this machine does not start.

StackError                  its message is for the console; the supervisor stops everything and exits with 1
├── ConfigError             infra/channels.yaml or an environment variable is wrong
├── PortTaken               a port the system needs is in use
├── NoEmulators             none of the three ways to an emulator is open
├── NoNginx                 MTLS=1, and nginx is not installed
├── ProvisionError          the Pub/Sub emulator refused a topic or a subscription
└── StartFailed             a process ended, or did not answer in time, before the system was up
"""


class StackError(Exception):
    pass


class ConfigError(StackError):
    pass


class PortTaken(StackError):
    pass


class NoEmulators(StackError):
    pass


class NoNginx(StackError):
    pass


class ProvisionError(StackError):
    pass


class StartFailed(StackError):
    pass
