# Metrics counted from the functions' logs: one line, one event. Their names in alerts and charts are PromQL's.

locals {
  metric_prefix = "${replace(var.name, "-", "_")}_"
  promql_prefix = "logging_googleapis_com:user_${local.metric_prefix}"

  of_our_functions = "resource.type=\"cloud_run_revision\" resource.labels.service_name=(${join(" OR ", [for s in values(local.services) : "\"${s}\""])})"

  # A refusal of our credentials is logged as such, also where it was the last attempt.
  dead = "(jsonPayload.message=\"dead\" OR (jsonPayload.message=\"the provider refuses our credentials\" jsonPayload.status=\"dead\"))"

  counters = {
    accepted            = { filter = "jsonPayload.message=\"accepted\"", labels = [] }
    attempts            = { filter = "jsonPayload.outcome:*", labels = ["channel", "provider", "outcome", "status"] }
    dead                = { filter = local.dead, labels = ["channel"] }
    credentials_refused = { filter = "jsonPayload.message=\"the provider refuses our credentials\"", labels = ["channel", "provider"] }
    provider_down       = { filter = "jsonPayload.message=\"provider is down\"", labels = ["channel", "provider"] }
    receipts            = { filter = "jsonPayload.message=\"receipt\"", labels = ["channel", "provider", "status"] }

    # The objective's two sides (objectives.tf). What the provider refuses, for good or until an operator mends it, is on
    # neither: no speed helps there, and any caller could name an address that brings it about.
    in_time = { filter = "jsonPayload.accept_to_sent_ms<=${local.objective_ms}", labels = [] }
    missed  = { filter = "(jsonPayload.accept_to_sent_ms>${local.objective_ms} OR (${local.dead} AND NOT jsonPayload.outcome=\"refused\"))", labels = [] }
  }
}

resource "google_logging_metric" "counter" {
  for_each = local.counters

  name             = "${local.metric_prefix}${each.key}"
  filter           = "${local.of_our_functions} ${each.value.filter}"
  label_extractors = { for label in each.value.labels : label => "EXTRACT(jsonPayload.${label})" }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"

    dynamic "labels" {
      for_each = each.value.labels

      content {
        key        = labels.value
        value_type = "STRING"
      }
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_logging_metric" "accept_to_sent" {
  name            = "${local.metric_prefix}accept_to_sent"
  filter          = "${local.of_our_functions} jsonPayload.accept_to_sent_ms:*"
  value_extractor = "EXTRACT(jsonPayload.accept_to_sent_ms)"

  label_extractors = {
    channel  = "EXTRACT(jsonPayload.channel)"
    provider = "EXTRACT(jsonPayload.provider)"
  }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = "ms"

    labels {
      key        = "channel"
      value_type = "STRING"
    }

    labels {
      key        = "provider"
      value_type = "STRING"
    }
  }

  # From a fast first try to a delivery that waited for a day.
  bucket_options {
    explicit_buckets {
      bounds = [50, 100, 200, 300, 500, 750, 1000, 2000, 5000, 10000, 20000, 30000, 60000, 120000, 300000, 600000, 3600000, 86400000]
    }
  }

  depends_on = [google_project_service.api]
}
