# 99.9 % of what is accepted is sent within 60 s, over 28 days; and who uses up what that leaves too fast is told early.
# Burn rates: https://sre.google/workbook/alerting-on-slos/#6-multiwindow-multi-burn-rate-alerts

locals {
  objective    = 0.999
  objective_ms = 60000

  # A short window besides the long one, so that the alert ends soon after its cause has.
  burns = {
    fast = { long = "3600s", short = "300s", rate = 14.4, severity = "CRITICAL" }
    slow = { long = "21600s", short = "1800s", rate = 6, severity = "WARNING" }
  }
}

resource "google_monitoring_custom_service" "hark" {
  service_id   = var.name
  display_name = var.name
  depends_on   = [google_project_service.api]
}

resource "google_monitoring_slo" "sent_in_time" {
  service             = google_monitoring_custom_service.hark.service_id
  slo_id              = "sent-in-time"
  display_name        = "99.9 % of deliveries sent within 60 s of the 202"
  goal                = local.objective
  rolling_period_days = 28

  # A metric of logs that was just made is unknown to Cloud Monitoring for up to ten minutes. Nothing takes longer than these.
  depends_on = [google_firestore_index.composite, google_firestore_field.unindexed]

  request_based_sli {
    good_total_ratio {
      good_service_filter = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.counter["in_time"].name}\" resource.type=\"cloud_run_revision\""
      bad_service_filter  = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.counter["missed"].name}\" resource.type=\"cloud_run_revision\""
    }
  }
}

resource "google_monitoring_alert_policy" "burn" {
  for_each = local.burns

  display_name          = "${var.name}: deliveries are late, the objective's margin burns ${each.key}"
  combiner              = "AND"
  severity              = each.value.severity
  notification_channels = values(google_monitoring_notification_channel.email)[*].id

  dynamic "conditions" {
    for_each = [each.value.long, each.value.short]

    content {
      display_name = "over ${conditions.value}"

      condition_threshold {
        filter          = "select_slo_burn_rate(\"${google_monitoring_slo.sent_in_time.name}\", \"${conditions.value}\")"
        comparison      = "COMPARISON_GT"
        threshold_value = each.value.rate
        duration        = "0s"
      }
    }
  }

  documentation {
    content = "Look at the dashboard's retry rate and backlog by channel: one channel is its provider's doing, all of them are ours (Firestore, Pub/Sub, the relay)."
  }
}
