# The one way in: TLS, limits, and with a CA the client certificates.

mock_provider "google" {
  source = "./tests/mocks"
}

run "only_tls_from_1_2_on_and_only_to_the_gateway" {
  assert {
    condition = (
      google_compute_ssl_policy.gateway.min_tls_version == "TLS_1_2"
      && google_compute_ssl_policy.gateway.profile == "RESTRICTED"
      && google_compute_target_https_proxy.gateway.ssl_policy == google_compute_ssl_policy.gateway.id
      && google_compute_managed_ssl_certificate.gateway.managed[0].domains == tolist(["hark.example.com"])
    )
    error_message = "TLS 1.2 or later, with a managed certificate of the domain."
  }

  assert {
    condition     = google_compute_global_forwarding_rule.gateway.port_range == "443" && google_compute_global_forwarding_rule.gateway.target == google_compute_target_https_proxy.gateway.id
    error_message = "Nothing listens but https."
  }

  assert {
    condition = (
      google_compute_url_map.gateway.default_service == google_compute_backend_service.gateway.id
      && [for backend in google_compute_backend_service.gateway.backend : backend.group] == [google_compute_region_network_endpoint_group.gateway.id]
      && google_compute_region_network_endpoint_group.gateway.cloud_run[0].service == "hark-gateway"
    )
    error_message = "All goes to the gateway."
  }
}

run "floods_are_throttled_by_address" {
  assert {
    condition     = google_compute_backend_service.gateway.security_policy == google_compute_security_policy.gateway.id
    error_message = "The policy is the gateway's."
  }

  assert {
    condition = { for rule in google_compute_security_policy.gateway.rule : rule.priority => [
      rule.action, rule.rate_limit_options[0].enforce_on_key, rule.rate_limit_options[0].exceed_action, rule.rate_limit_options[0].rate_limit_threshold[0].count
      ] } == {
      1000       = ["throttle", "IP", "deny(429)", 60000]
      2147483647 = ["throttle", "IP", "deny(429)", 6000]
    }
    error_message = "Every request falls under a limit; the providers' is higher."
  }

  assert {
    condition = [for rule in google_compute_security_policy.gateway.rule : rule.match[0].expr[0].expression if rule.priority == 1000] == [
      "request.path.startsWith('/v1/receipts/') || request.path.startsWith('/v1/inbound/')"
    ]
    error_message = "The providers come to these two."
  }
}

run "without_a_ca_there_are_no_client_certificates" {
  assert {
    condition = (
      length(google_network_security_server_tls_policy.client_certificates) == 0
      && length(google_compute_backend_service.gateway.custom_request_headers) == 0
      && !contains(keys(google_secret_manager_secret.setting), "LOAD_BALANCER_SECRET")
    )
    error_message = "No policy, no headers, no secret."
  }
}

run "with_a_ca_the_gateway_hears_whose_certificate_it_is" {
  variables {
    client_ca_file       = "tests/clients-ca.pem"
    load_balancer_secret = "not-a-secret-only-a-test" # pragma: allowlist secret
  }

  assert {
    condition = (
      google_network_security_server_tls_policy.client_certificates[0].mtls_policy[0].client_validation_mode == "ALLOW_INVALID_OR_MISSING_CLIENT_CERT"
      && google_network_security_server_tls_policy.client_certificates[0].mtls_policy[0].client_validation_trust_config == "projects/123456789012/locations/global/trustConfigs/${google_certificate_manager_trust_config.clients[0].name}"
      && google_compute_target_https_proxy.gateway.server_tls_policy == google_network_security_server_tls_policy.client_certificates[0].id
    )
    error_message = "The proxy checks certificates by the trust config, and lets those in who have none."
  }

  assert {
    condition     = length(google_certificate_manager_trust_config.clients[0].trust_stores[0].trust_anchors) == 2
    error_message = "Each CA of the file is trusted."
  }

  assert {
    condition = toset(google_compute_backend_service.gateway.custom_request_headers) == toset([
      "X-Client-Cert-Present: {client_cert_present}",
      "X-Client-Cert-Chain-Verified: {client_cert_chain_verified}",
      "X-Client-Cert-Error: {client_cert_error}",
      "X-Client-Cert-Sha256-Fingerprint: {client_cert_sha256_fingerprint}",
      "X-Client-Cert-Spiffe-Id: {client_cert_spiffe_id}",
      "X-Client-Cert-Uri-Sans: {client_cert_uri_sans}",
      "X-Client-Cert-Dnsname-Sans: {client_cert_dnsname_sans}",
      "X-Load-Balancer-Secret: not-a-secret-only-a-test",
    ])
    error_message = "All headers that the gateway reads, so that none is a client's."
  }

  assert {
    condition = (
      google_secret_manager_secret_version.load_balancer[0].secret == google_secret_manager_secret.setting["LOAD_BALANCER_SECRET"].id
      && google_secret_manager_secret_version.load_balancer[0].secret_data == "not-a-secret-only-a-test" # pragma: allowlist secret
      && [for use in keys(google_secret_manager_secret_iam_member.reader) : use if startswith(use, "LOAD_BALANCER_SECRET ")] == ["LOAD_BALANCER_SECRET gateway"]
    )
    error_message = "The gateway, and it alone, reads the same secret."
  }
}

run "a_ca_needs_a_secret" {
  command = plan

  variables {
    client_ca_file = "tests/clients-ca.pem"
  }

  expect_failures = [var.load_balancer_secret]
}

run "a_short_secret_is_refused" {
  command = plan

  variables {
    client_ca_file       = "tests/clients-ca.pem"
    load_balancer_secret = "short" # pragma: allowlist secret
  }

  expect_failures = [var.load_balancer_secret]
}

run "the_domain_gets_its_record_where_the_zone_is_ours" {
  variables {
    dns_zone = "example-com"
  }

  assert {
    condition     = google_dns_record_set.gateway[0].name == "hark.example.com." && google_dns_record_set.gateway[0].rrdatas == tolist([google_compute_global_address.gateway.address])
    error_message = "An A record with the load balancer's address."
  }
}

run "without_a_console_domain_there_is_no_proxy" {
  assert {
    condition = (
      length(google_compute_backend_service.console) == 0
      && length(google_compute_url_map.gateway.host_rule) == 0
      && !contains(keys(google_project_service.api), "iap.googleapis.com")
      && output.iap_audience == ""
    )
    error_message = "No second backend, no rule, no API, no audience."
  }
}

run "under_the_console_domain_people_are_signed_in" {
  variables {
    console_domain = "hark-console.example.com"
    console_users  = ["group:ops@example.com"]
    dns_zone       = "example-com"
  }

  assert {
    condition = (
      google_compute_backend_service.console[0].iap[0].enabled
      && length(google_compute_backend_service.gateway.iap) == 0
      && [for backend in google_compute_backend_service.console[0].backend : backend.group] == [google_compute_region_network_endpoint_group.gateway.id]
      && google_compute_backend_service.console[0].security_policy == google_compute_security_policy.gateway.id
    )
    error_message = "The proxy stands before the same gateway, under the same limits, and not before the API."
  }

  assert {
    condition = (
      [for rule in google_compute_url_map.gateway.host_rule : one(rule.hosts)] == ["hark-console.example.com"]
      && [for matcher in google_compute_url_map.gateway.path_matcher : matcher.default_service] == [google_compute_backend_service.console[0].id]
      && google_compute_url_map.gateway.default_service == google_compute_backend_service.gateway.id
    )
    error_message = "The second name, and nothing else, goes to the proxy."
  }

  assert {
    condition = (
      google_compute_managed_ssl_certificate.gateway.managed[0].domains == tolist(["hark.example.com", "hark-console.example.com"])
      && google_dns_record_set.console[0].name == "hark-console.example.com."
      && contains(keys(google_project_service.api), "iap.googleapis.com")
    )
    error_message = "Its name is in the certificate and in the zone."
  }

  assert {
    condition = (
      output.iap_audience == "/projects/123456789012/global/backendServices/${google_compute_backend_service.console[0].generated_id}"
      && strcontains(output.substitutions, "_IAP_AUDIENCE=${output.iap_audience}")
    )
    error_message = "The gateway hears which audience is its own."
  }

  assert {
    condition     = [for member in google_iap_web_backend_service_iam_member.console : "${member.role} ${member.member}"] == ["roles/iap.httpsResourceAccessor group:ops@example.com"]
    error_message = "Those who are named come through."
  }
}

run "the_console_has_a_domain_of_its_own" {
  command = plan

  variables {
    console_domain = "hark.example.com"
  }

  expect_failures = [var.console_domain]
}
