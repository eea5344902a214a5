locals {
  per_minute = "[5m])) * 60"
  attempted  = "${local.promql_prefix}attempts{${local.of_channels}"

  charts = [
    { title = "Accepted a minute", unit = "1", queries = {
      notifications = "sum(rate(${local.promql_prefix}accepted{${local.of_channels}}${local.per_minute}"
    } },
    { title = "Sent a minute", unit = "1", queries = {
      sent = "sum by (channel, provider) (rate(${local.attempted}, outcome=\"accepted\"}${local.per_minute}"
    } },
    { title = "Failed a minute: refused by the provider for good", unit = "1", queries = {
      failed = "sum by (channel, provider) (rate(${local.attempted}, outcome=\"permanent\"}${local.per_minute}"
    } },
    { title = "Dead a minute: refused until somebody mends the cause, or attempts used up", unit = "1", queries = {
      dead = "sum by (channel) (rate(${local.promql_prefix}dead{${local.of_channels}}${local.per_minute}"
    } },
    { title = "Retry rate: attempts that will be followed by another", unit = "1", queries = {
      retried = "sum by (channel, provider) (rate(${local.attempted}, outcome=~\"retryable|throttled|unknown\"}[10m])) / sum by (channel, provider) (rate(${local.attempted}}[10m]))"
    } },
    { title = "From accepted to sent", unit = "ms", queries = {
      for quantile, share in { p50 = 0.5, p95 = 0.95 } :
      quantile => "histogram_quantile(${share}, sum by (le, channel, provider) (rate(${local.promql_prefix}accept_to_sent_bucket{${local.of_channels}}[10m])))"
    } },
    { title = "Oldest unacked message", unit = "s", queries = {
      age = "max by (subscription_id) (pubsub_googleapis_com:subscription_oldest_unacked_message_age{${local.subscribed}})"
    } },
    { title = "Backlog: messages not acked", unit = "1", queries = {
      messages = "sum by (subscription_id) (pubsub_googleapis_com:subscription_num_undelivered_messages{${local.subscribed}})"
    } },
    { title = "Receipts a minute", unit = "1", queries = {
      receipts = "sum by (channel, provider, status) (rate(${local.promql_prefix}receipts{${local.of_channels}}${local.per_minute}"
    } },
    { title = "Instances", unit = "1", queries = {
      instances = "sum by (service_name) (run_googleapis_com:container_instance_count{monitored_resource=\"cloud_run_revision\", service_name=~\"${join("|", values(local.services))}\"})"
    } },
  ]
}

resource "google_monitoring_dashboard" "hark" {
  dashboard_json = jsonencode({
    displayName = var.name

    mosaicLayout = {
      columns = 48

      tiles = [for n, chart in local.charts : {
        xPos   = n % 2 * 24
        yPos   = floor(n / 2) * 16
        width  = 24
        height = 16

        widget = {
          title = chart.title

          xyChart = {
            dataSets = [for legend, query in chart.queries : {
              plotType       = "LINE"
              legendTemplate = length(chart.queries) > 1 ? "${legend} $${labels.channel} $${labels.provider}" : ""

              timeSeriesQuery = {
                prometheusQuery = query
                unitOverride    = chart.unit
              }
            }]
          }
        }
      }]
    }
  })

  depends_on = [google_logging_metric.counter, google_logging_metric.accept_to_sent]
}
