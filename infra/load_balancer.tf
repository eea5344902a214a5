# The one way in: https, to the gateway. Nothing listens on port 80: a redirect from there would come after the client
# has sent its key in the clear.

resource "google_compute_global_address" "gateway" {
  name       = local.services["gateway"]
  depends_on = [google_project_service.api]
}

resource "google_dns_record_set" "gateway" {
  count = var.dns_zone == null ? 0 : 1

  managed_zone = var.dns_zone
  name         = "${var.domain}."
  type         = "A"
  ttl          = 300
  rrdatas      = [google_compute_global_address.gateway.address]
}

resource "google_compute_global_forwarding_rule" "gateway" {
  name                  = local.services["gateway"]
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.gateway.id
  ip_protocol           = "TCP"
  port_range            = "443"
  target                = google_compute_target_https_proxy.gateway.id
}

resource "google_compute_target_https_proxy" "gateway" {
  name              = local.services["gateway"]
  url_map           = google_compute_url_map.gateway.id
  ssl_certificates  = [google_compute_managed_ssl_certificate.gateway.id]
  ssl_policy        = google_compute_ssl_policy.gateway.id
  server_tls_policy = one(google_network_security_server_tls_policy.client_certificates[*].id)
}

resource "google_compute_ssl_policy" "gateway" {
  name            = local.services["gateway"]
  min_tls_version = "TLS_1_2"
  profile         = "RESTRICTED"
  depends_on      = [google_project_service.api]
}

resource "google_compute_managed_ssl_certificate" "gateway" {
  # Another domain needs another certificate, there before the proxy lets go of this one.
  name       = "${local.services["gateway"]}-${substr(sha256(join(",", local.domains)), 0, 8)}"
  depends_on = [google_project_service.api]

  managed {
    domains = local.domains
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_compute_url_map" "gateway" {
  name            = local.services["gateway"]
  default_service = google_compute_backend_service.gateway.id

  dynamic "host_rule" {
    for_each = var.console_domain[*]

    content {
      hosts        = [host_rule.value]
      path_matcher = "console"
    }
  }

  dynamic "path_matcher" {
    for_each = google_compute_backend_service.console[*].id

    content {
      name            = "console"
      default_service = path_matcher.value
    }
  }
}

resource "google_compute_backend_service" "gateway" {
  name                   = local.services["gateway"]
  load_balancing_scheme  = "EXTERNAL_MANAGED"
  protocol               = "HTTPS"
  security_policy        = google_compute_security_policy.gateway.id
  custom_request_headers = local.client_certificate_headers

  backend {
    group = google_compute_region_network_endpoint_group.gateway.id
  }

  log_config {
    enable      = true
    sample_rate = 1
  }
}

resource "google_compute_region_network_endpoint_group" "gateway" {
  name                  = local.services["gateway"]
  region                = var.region
  network_endpoint_type = "SERVERLESS"
  depends_on            = [google_project_service.api]

  cloud_run {
    service = local.services["gateway"]
  }
}

# Floods are stopped here, by address; what a caller may do the gateway counts, by caller.
resource "google_compute_security_policy" "gateway" {
  # checkov:skip=CKV_GCP_73:rules that look into bodies would refuse notifications whose text merely speaks of an attack
  name       = local.services["gateway"]
  depends_on = [google_project_service.api]

  dynamic "rule" {
    for_each = {
      1000       = { limit = var.requests_per_minute.receipts, paths = ["/v1/receipts/", "/v1/inbound/"], description = "Providers' receipts, and what people answer" }
      2147483647 = { limit = var.requests_per_minute.api, paths = [], description = "Everything else" }
    }

    content {
      priority    = rule.key
      description = rule.value.description
      action      = "throttle"

      match {
        versioned_expr = length(rule.value.paths) == 0 ? "SRC_IPS_V1" : null

        dynamic "config" {
          for_each = length(rule.value.paths) == 0 ? [true] : []

          content {
            src_ip_ranges = ["*"]
          }
        }

        dynamic "expr" {
          for_each = length(rule.value.paths) == 0 ? [] : [true]

          content {
            expression = join(" || ", [for path in rule.value.paths : "request.path.startsWith('${path}')"])
          }
        }
      }

      rate_limit_options {
        conform_action = "allow"
        exceed_action  = "deny(429)"
        enforce_on_key = "IP"

        rate_limit_threshold {
          count        = rule.value.limit
          interval_sec = 60
        }
      }
    }
  }
}
