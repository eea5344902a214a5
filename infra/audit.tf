# The audit log's copy in Cloud Logging. No function can change or take away what is in it: their accounts write log lines
# and nothing else there, so that what is missing in the database, or is another there, shows (docs/security.md).

locals {
  audit_days = tonumber(try(local.settings.AUDIT_DAYS, 365)) # the code's own default: functions/gateway/settings.py
}

resource "google_logging_project_bucket_config" "audit" {
  project        = var.project
  location       = var.region
  bucket_id      = "${var.name}-audit"
  retention_days = local.audit_days
  description    = "Who did what with Hark."
  depends_on     = [google_project_service.api]
}

resource "google_logging_project_sink" "audit" {
  project                = var.project
  name                   = "${var.name}-audit"
  destination            = "logging.googleapis.com/${google_logging_project_bucket_config.audit.id}"
  filter                 = "resource.type=\"cloud_run_revision\" resource.labels.service_name=\"${local.services["gateway"]}\" jsonPayload.message=(\"audit\" OR \"an act begins\" OR \"an act ends\" OR \"an act could not be put on record\")"
  unique_writer_identity = true
}
