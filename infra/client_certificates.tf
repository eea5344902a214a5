# With client_ca_file set the load balancer verifies client certificates, if one is shown, and tells the gateway whose it
# is. It lets those in who show none: they have keys and tokens, and the gateway decides.

locals {
  # The gateway trusts these, so all that it reads must be set here: what a client sends in their place is overwritten.
  client_certificate_headers = local.mtls ? [
    "X-Client-Cert-Present: {client_cert_present}",
    "X-Client-Cert-Chain-Verified: {client_cert_chain_verified}",
    "X-Client-Cert-Error: {client_cert_error}",
    "X-Client-Cert-Sha256-Fingerprint: {client_cert_sha256_fingerprint}",
    "X-Client-Cert-Spiffe-Id: {client_cert_spiffe_id}",
    "X-Client-Cert-Uri-Sans: {client_cert_uri_sans}",
    "X-Client-Cert-Dnsname-Sans: {client_cert_dnsname_sans}",
    "X-Load-Balancer-Secret: ${var.load_balancer_secret}",
  ] : []
}

resource "google_certificate_manager_trust_config" "clients" {
  count = local.mtls ? 1 : 0

  name       = "${var.name}-clients"
  location   = "global"
  depends_on = [google_project_service.api]

  trust_stores {
    dynamic "trust_anchors" {
      for_each = regexall("-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----", file(var.client_ca_file))

      content {
        pem_certificate = trust_anchors.value
      }
    }
  }
}

resource "google_network_security_server_tls_policy" "client_certificates" {
  count = local.mtls ? 1 : 0

  name       = "${var.name}-client-certificates"
  location   = "global"
  allow_open = false

  mtls_policy {
    client_validation_mode = "ALLOW_INVALID_OR_MISSING_CLIENT_CERT"
    # The API answers with the project's number: with its id each plan would see a change.
    client_validation_trust_config = "projects/${data.google_project.this.number}/locations/global/trustConfigs/${google_certificate_manager_trust_config.clients[0].name}"
  }
}
