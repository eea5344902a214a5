locals {
  channels = {
    for name, channel in yamldecode(file("${path.module}/channels.yaml")) :
    name => channel if(
      try(channel.of_events, false) ? var.events
      : var.channels == null ? !try(channel.optional, false)
      : contains(coalesce(var.channels, []), name)
    )
  }
  settings  = yamldecode(file("${path.module}/settings.yaml"))
  functions = toset(concat(["gateway", "relay", "operations", "dead_letter"], keys(local.channels), var.events ? ["events"] : []))
  pushed_to = setsubtract(local.functions, ["gateway", "relay", "operations"])

  # A function's name, and its Cloud Run service's.
  services = { for function in local.functions : function => "${var.name}-${replace(function, "_", "-")}" }

  # Known before the service exists, so that topics and functions do not wait for each other:
  # https://cloud.google.com/run/docs/triggering/https-request#deterministic
  urls = {
    for function, service in local.services :
    function => "https://${service}-${data.google_project.this.number}.${var.region}.run.app"
  }

  # Firestore's roles are for a whole database: what only the gateway may write is in one of its own.
  callers_database = coalesce(var.callers_database, "${var.name}-callers")

  domains = compact([var.domain, var.console_domain])

  mtls = var.client_ca_file != null
}
