# With console_domain set people reach the gateway under a second name, too, where Identity-Aware Proxy signs them in. It is a
# backend of its own: under the first name providers and API keys come, whom the proxy would turn away.

locals {
  console      = var.console_domain != null
  iap_audience = local.console ? "/projects/${data.google_project.this.number}/global/backendServices/${google_compute_backend_service.console[0].generated_id}" : ""
}

resource "google_compute_backend_service" "console" {
  count = local.console ? 1 : 0

  name                   = "${var.name}-console"
  load_balancing_scheme  = "EXTERNAL_MANAGED"
  protocol               = "HTTPS"
  security_policy        = google_compute_security_policy.gateway.id
  custom_request_headers = local.client_certificate_headers

  backend {
    group = google_compute_region_network_endpoint_group.gateway.id
  }

  # Google's own OAuth client, which lets the organisation's people in:
  # https://cloud.google.com/iap/docs/enabling-cloud-run
  iap {
    enabled = true
  }

  log_config {
    enable      = true
    sample_rate = 1
  }
}

# Whom the proxy lets through. What they may do there is the callers' records.
resource "google_iap_web_backend_service_iam_member" "console" {
  for_each = local.console ? var.console_users : []

  web_backend_service = google_compute_backend_service.console[0].name
  role                = "roles/iap.httpsResourceAccessor"
  member              = each.key
}

resource "google_dns_record_set" "console" {
  count = local.console && var.dns_zone != null ? 1 : 0

  managed_zone = var.dns_zone
  name         = "${var.console_domain}."
  type         = "A"
  ttl          = 300
  rrdatas      = [google_compute_global_address.gateway.address]
}
