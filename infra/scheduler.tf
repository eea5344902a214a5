resource "google_cloud_scheduler_job" "relay" {
  name             = local.services["relay"]
  description      = "Publishes again whatever is overdue"
  region           = var.region
  schedule         = "* * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "120s" # a sweep takes at most 60 s: receipts 8, overdue 57, and a cold start

  http_target {
    http_method = "POST"
    uri         = "${local.urls["relay"]}/"

    oidc_token {
      service_account_email = google_service_account.scheduler.email
      audience              = local.urls["relay"]
    }
  }

  retry_config {
    retry_count          = 1 # the next minute comes anyway
    min_backoff_duration = "5s"
    max_backoff_duration = "20s"
    max_retry_duration   = "60s"
  }

  depends_on = [google_project_service.api]
}

resource "google_cloud_scheduler_job" "operations" {
  name             = local.services["operations"]
  description      = "Works off what is to be done to many records"
  region           = var.region
  schedule         = "* * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "120s" # a sweep begins no page after 50 s

  http_target {
    http_method = "POST"
    uri         = "${local.urls["operations"]}/"

    oidc_token {
      service_account_email = google_service_account.scheduler.email
      audience              = local.urls["operations"]
    }
  }

  retry_config {
    retry_count          = 1 # the next minute comes anyway
    min_backoff_duration = "5s"
    max_backoff_duration = "20s"
    max_retry_duration   = "60s"
  }

  depends_on = [google_project_service.api]
}
