output "address" {
  description = "What the A record of each domain must say."
  value       = google_compute_global_address.gateway.address
}

output "iap_audience" {
  description = "The gateway's IAP_AUDIENCE: what Identity-Aware Proxy signs for under console_domain. Empty without one."
  value       = local.iap_audience
}

output "urls" {
  description = "The functions' own URLs; only the load balancer, the pusher and the scheduler get an answer there."
  value       = local.urls
}

output "secrets" {
  description = "By setting: where its value goes, with `gcloud secrets versions add`."
  value       = { for setting, secret in google_secret_manager_secret.setting : setting => secret.secret_id }
}

output "substitutions" {
  description = "For `gcloud builds submit --substitutions`: what Terraform and the pipeline both need to know is said once."
  # No value here can have a comma in it; those that can are in cloudbuild.yaml itself.
  value = join(",", [for name, value in {
    _NAME                = var.name
    _REGION              = var.region
    _DATABASE            = google_firestore_database.records.name
    _CALLERS_DATABASE    = google_firestore_database.callers.name
    _PUBLIC_URL          = "https://${var.domain}"
    _CLIENT_CERTIFICATES = local.mtls
    _IAP_AUDIENCE        = local.iap_audience
    _CHANNELS            = join("+", coalesce(var.channels, []))
    _EVENTS              = var.events
    _ALL_USERS           = var.all_users
    _MIN_INSTANCES       = var.min_instances
    _MAX_INSTANCES       = var.max_instances
    _PARALLEL_BUILDS     = var.parallel_builds
  } : "${name}=${value}"])
}
