resource "google_monitoring_notification_channel" "email" {
  for_each = var.alert_emails

  display_name = each.key
  type         = "email"
  labels       = { email_address = each.key }
  depends_on   = [google_project_service.api]
}

locals {
  of_relay      = "monitored_resource=\"cloud_run_revision\", service_name=\"${local.services["relay"]}\""
  of_operations = "monitored_resource=\"cloud_run_revision\", service_name=\"${local.services["operations"]}\""
  of_gateway    = "monitored_resource=\"cloud_run_revision\", service_name=\"${local.services["gateway"]}\""
  subscribed    = "monitored_resource=\"pubsub_subscription\", subscription_id=~\"notifications-.*-push\""
  of_channels   = "monitored_resource=\"cloud_run_revision\""

  # By condition: PromQL, which fires while it has a result for `seconds`.
  alerts = {
    dead_letters = {
      name     = "dead letters"
      severity = "ERROR"
      advice   = "Each is under GET /v1/dead-letters with its reason. Mend the cause, then replay or discard them."
      conditions = {
        "a delivery is dead"                 = { seconds = 0, query = "sum by (channel) (increase(${local.promql_prefix}dead{${local.of_channels}}[5m])) > 0" }
        "a message went to the dead letters" = { seconds = 0, query = "sum by (subscription_id) (increase(pubsub_googleapis_com:subscription_dead_letter_message_count{${local.subscribed}}[5m])) > 0" }
      }
    }
    oldest_unacked = {
      name     = "a message waits for more than 5 minutes"
      severity = "ERROR"
      advice   = "Nobody takes that subscription's messages: look at its function's logs, then at its run.invoker binding."
      conditions = {
        "oldest unacked message" = { seconds = 60, query = "max by (subscription_id) (pubsub_googleapis_com:subscription_oldest_unacked_message_age{${local.subscribed}}) > 300" }
      }
    }
    errors = {
      name     = "error rate"
      severity = "ERROR"
      advice   = "The gateway answers 5xx when Firestore or Pub/Sub cannot be reached. Attempts that fail are the provider's answers: outcome and error are in the log."
      conditions = {
        "more than 5 % of the gateway's answers are 5xx" = { seconds = 300, query = "sum(rate(run_googleapis_com:request_count{${local.of_gateway}, response_code_class=\"5xx\"}[5m])) / sum(rate(run_googleapis_com:request_count{${local.of_gateway}}[5m])) > 0.05" }
        "more than 20 % of a channel's attempts fail"    = { seconds = 300, query = "sum by (channel, provider) (rate(${local.promql_prefix}attempts{${local.of_channels}, outcome!=\"accepted\"}[10m])) / sum by (channel, provider) (rate(${local.promql_prefix}attempts{${local.of_channels}}[10m])) > 0.2" }
      }
    }
    relay = {
      name     = "the relay does not run"
      severity = "CRITICAL"
      advice   = "Nothing that was lost on its way is sent again until it does. Look at Cloud Scheduler's job, the function's logs and its run.invoker binding."
      conditions = {
        # Also when it never has: an alert on a series that is absent would need one that was there.
        "no sweep in 5 minutes" = { seconds = 0, query = "absent_over_time(run_googleapis_com:request_count{${local.of_relay}, response_code_class=\"2xx\"}[5m])" }
      }
    }
    operations = {
      name     = "operations are not worked off"
      severity = "ERROR"
      advice   = "Broadcasts, recalls and the like stand still until it runs; single notifications go on. Look at Cloud Scheduler's job, the function's logs and its run.invoker binding."
      conditions = {
        "no sweep in 5 minutes" = { seconds = 0, query = "absent_over_time(run_googleapis_com:request_count{${local.of_operations}, response_code_class=\"2xx\"}[5m])" }
      }
    }
    provider_down = {
      name     = "a provider is down"
      severity = "ERROR"
      advice   = "Nothing is lost, and nothing is to be done in haste: GET /v1/channels says why it failed last, and what waits is sent when a probe is answered."
      conditions = {
        "a breaker opened" = { seconds = 0, query = "sum by (channel, provider) (increase(${local.promql_prefix}provider_down{${local.of_channels}}[5m])) > 0" }
      }
    }
    credentials = {
      name     = "a provider refuses our credentials"
      severity = "CRITICAL"
      advice   = "Put a new version of the provider's secret into Secret Manager and deploy. What waits is sent by itself then."
      conditions = {
        "refused" = { seconds = 0, query = "sum by (channel, provider) (increase(${local.promql_prefix}credentials_refused{${local.of_channels}}[5m])) > 0" }
      }
    }
  }
}

resource "google_monitoring_alert_policy" "alert" {
  for_each = local.alerts

  display_name          = "${var.name}: ${each.value.name}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = values(google_monitoring_notification_channel.email)[*].id

  dynamic "conditions" {
    for_each = each.value.conditions

    content {
      display_name = conditions.key

      condition_prometheus_query_language {
        query               = conditions.value.query
        duration            = "${conditions.value.seconds}s"
        evaluation_interval = "60s"
        # A metric of logs is unknown until its first line, minutes after it was made: the first apply would fail.
        disable_metric_validation = true
      }
    }
  }

  documentation {
    content = each.value.advice
  }

  depends_on = [google_logging_metric.counter]
}

resource "google_billing_budget" "project" {
  count = var.monthly_budget == null ? 0 : 1

  billing_account = data.google_project.this.billing_account
  display_name    = var.name

  budget_filter {
    projects = ["projects/${data.google_project.this.number}"]
  }

  amount {
    specified_amount {
      units = tostring(var.monthly_budget)
    }
  }

  dynamic "threshold_rules" {
    for_each = [
      { percent = 0.5, basis = "CURRENT_SPEND" },
      { percent = 1.0, basis = "CURRENT_SPEND" },
      { percent = 1.0, basis = "FORECASTED_SPEND" },
    ]

    content {
      threshold_percent = threshold_rules.value.percent
      spend_basis       = threshold_rules.value.basis
    }
  }

  # Without it those are told who have the billing account.
  dynamic "all_updates_rule" {
    for_each = length(var.alert_emails) > 0 ? [true] : []

    content {
      # The API takes at most five.
      monitoring_notification_channels = slice(values(google_monitoring_notification_channel.email)[*].id, 0, min(5, length(var.alert_emails)))
    }
  }

  depends_on = [google_project_service.api]
}
